"""The chart's NetworkPolicies on a real node that enforces them."""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from support.cluster.node import COMPONENTS, NodeCluster, Pod
from support.cluster.samples import Acme
from support.run.eventually import eventually
from tenure_dev.chart import NAMESPACE
from tenure_dev.node.binaries import policies_enforced

pytestmark = pytest.mark.skipif(not policies_enforced(), reason="this node stores NetworkPolicies only")

IN_TENURE = f"--namespace={NAMESPACE}"
NOT_SERVED = 7777
"""A port that no program of Tenure's listens on: what a policy must keep closed, whoever comes to listen there."""
PORTS = (8080, 8081, 9443, NOT_SERVED)
OPEN = {"controller": {8081}, "verifier": {8080, 8081}, "webhook": {8081, 9443}}
"""Health with the metrics, and what is served."""

_LISTEN = """
import contextlib, socket, sys
servers = []
for port in map(int, sys.argv[1:]):
    with contextlib.suppress(OSError):  # Tenure listens there.
        servers.append(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))
print("listening", flush=True)
sys.stdin.read()
"""
_REACH = """
import socket, sys
for port in sys.argv[2:]:
    try:
        socket.create_connection((sys.argv[1], int(port)), timeout=3).close()
        print(port)
    except OSError:
        pass
"""


@contextlib.contextmanager
def listening(node: NodeCluster, pod: str) -> Iterator[None]:
    """Let something listen on every port in a pod of Tenure's, so that a closed one is closed by a policy."""
    command = ["exec", "--stdin", IN_TENURE, pod, "--", "python", "-c", _LISTEN, *map(str, PORTS)]
    kubectl = [str(node.kubectl.program), *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(kubectl, stdin=pipe, stdout=pipe, text=True, env=node.kubectl.environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield  # Then its stdin is closed, and it ends.


def reachable(client: Pod, pod: dict[str, Any]) -> set[int]:
    """The ports of a pod that another pod reaches."""
    return {int(port) for port in client.run(_REACH, pod["status"]["podIP"], *map(str, PORTS)).split()}


def await_reachable(client: Pod, pod: dict[str, Any], ports: set[int]) -> None:
    """Wait until a pod reaches some ports of another one, and no others."""
    name = pod["metadata"]["name"]
    eventually(lambda: reachable(client, pod) == ports, within=60, every=0.5, describe=f"{name} opens {ports}")


@pytest.fixture
def listeners(acme: Acme) -> Iterator[dict[str, dict[str, Any]]]:
    """Give a pod of each component, in which something listens on every port."""
    pods = {each: acme.node.pods(each)[0] for each in COMPONENTS}
    with ExitStack() as stack:
        for pod in pods.values():
            stack.enter_context(listening(acme.node, pod["metadata"]["name"]))
        yield pods


def test_health_and_what_is_served_are_open_and_nothing_else(acme: Acme, listeners: dict[str, dict[str, Any]]) -> None:
    node, client = acme.node, acme.client

    for component, pod in listeners.items():
        await_reachable(client, pod, OPEN[component])
    # The API server and the kubelet get through: reviews are answered, and no probe fails.
    assert "would revoke" in acme.change_role("alice", "Viewer").stderr
    assert acme.verdict(acme.token("pipeline")) == 200
    assert "Phase:          Succeeded" in node.helm("test", "tenure", "--timeout=2m")
    node.wait_ready()

    node.kubectl("delete", "networkpolicies", "--all", IN_TENURE)
    for pod in listeners.values():
        await_reachable(client, pod, set(PORTS))


def test_with_addresses_given_only_they_and_the_test_reach_the_webhook(acme: Acme) -> None:
    node = acme.node
    given = '--set-json=webhook.ingressFrom=[{"namespaceSelector":{"matchLabels":{"name":"nowhere"}}}]'
    node.helm("upgrade", "tenure", str(node.chart), given, "--wait", "--timeout=3m")
    pod = node.pods("webhook")[0]

    await_reachable(acme.client, pod, {8081})
    # The policy can't keep out what comes from a pod's own node, as the API server's reviews do here.
    assert "would revoke" in acme.change_role("alice", "Viewer").stderr
    assert "Phase:          Succeeded" in node.helm("test", "tenure", "--timeout=2m")
