"""Processes that hang: their pods get no traffic any more, and then the kubelet starts them again."""

import os
import signal
from pathlib import Path
from typing import Any

from support.cluster.node import COMPONENTS, is_ready
from support.cluster.samples import Acme
from support.run.eventually import eventually
from tenure_dev.chart import NAMESPACE

SERVICES = ("verifier", "webhook")


def test_a_process_that_hangs_gets_no_traffic_and_is_started_again(acme: Acme) -> None:
    """One of each component, and of the controllers the leader. All at once, because a restart takes two minutes."""
    node = acme.node
    hung = {each: node.pods(each)[0]["metadata"]["name"] for each in COMPONENTS}
    hung["controller"] = eventually(node.leader, within=30, describe="a leader")
    token = acme.token("pipeline")

    for name in hung.values():
        hang(pod(acme, name))

    for each in SERVICES:
        await_serving(acme, each, {pod["metadata"]["name"] for pod in node.pods(each)} - {hung[each]})
    # Whatever went to a process that hangs would wait for ten seconds and fail.
    assert [acme.verdict(token) for _ in range(8)] == [200] * 8
    # The API server keeps connections, so a review may still go to the one that hangs. It is refused after its timeout,
    # with its connection, and the next one is new.
    eventually(lambda: "would revoke" in acme.change_role("alice", "Viewer").stderr, within=90, describe="a judgement")
    eventually(lambda: node.leader() not in {"", hung["controller"]}, within=60, describe="another leader")

    for name in hung.values():
        await_restart(acme, name)
    for each in SERVICES:
        await_serving(acme, each, {pod["metadata"]["name"] for pod in node.pods(each)})


def pod(acme: Acme, name: str) -> dict[str, Any]:
    """Read one of Tenure's pods."""
    found: dict[str, Any] = acme.node.json("pod", name, f"--namespace={NAMESPACE}")
    return found


def await_restart(acme: Acme, name: str) -> None:
    """Wait until a pod's container was started again, and the pod is Ready."""

    def restarted() -> bool:
        seen = pod(acme, name)
        return [each["restartCount"] for each in seen["status"]["containerStatuses"]] == [1] and is_ready(seen)

    eventually(restarted, within=300, every=1, describe=f"{name} is started again, and Ready")


def hang(pod: dict[str, Any]) -> None:
    """Freeze the processes of a pod's container, as these tests see all processes of the node."""
    (status,) = pod["status"]["containerStatuses"]
    container = status["containerID"].rpartition("/")[2]
    processes = [int(file.parent.name) for file in Path("/proc").glob("[0-9]*/cgroup") if container in file.read_text()]
    assert processes
    for process in processes:
        os.kill(process, signal.SIGSTOP)


def await_serving(acme: Acme, component: str, pods: set[str]) -> None:
    """Wait until some pods get a Service's traffic, and no others."""
    eventually(lambda: serving(acme, component) == pods, within=90, every=0.5, describe=f"{component}: {pods}")


def serving(acme: Acme, component: str) -> set[str]:
    """The pods of a Service that get its traffic."""
    selector = f"--selector=kubernetes.io/service-name=tenure-{component}"
    slices = acme.node.json("endpointslices", selector, f"--namespace={NAMESPACE}")["items"]
    endpoints = [endpoint for each in slices for endpoint in each["endpoints"] or ()]
    return {endpoint["targetRef"]["name"] for endpoint in endpoints if endpoint["conditions"]["ready"]}
