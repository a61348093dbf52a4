"""The chart's memory limits on a real node, with 10,000 keys."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.cluster.node import COMPONENTS, NodeCluster
from support.run.eventually import eventually
from tenure_dev.chart import NAMESPACE

MEMBERS, KEYS = 500, 20
"""Of one organization, and of each member."""
BATCH = 250
PROCESSES = 4
"""A kubectl waits for each of its objects, so a single one would take several times as long."""

Body = dict[str, Any]


@pytest.mark.timeout(3600)
def test_ten_thousand_keys_stay_within_the_limits(installed: NodeCluster) -> None:
    node = installed
    node.kubectl("create", "namespace", "large")
    try:
        create(node, [organization()])
        create(node, memberships())
        create(node, keys())
        eventually(lambda: issued(node) == MEMBERS * KEYS, within=900, every=5, describe="every key is issued")
        check_no_container_ended(node)
        # New pods read everything at once, which takes the most.
        node.kubectl("rollout", "restart", "deployment", f"--namespace={NAMESPACE}")
        node.wait_ready()
        check_no_container_ended(node)
    finally:
        # Without the webhooks, which would judge each deletion, it is over in a minute.
        node.kubectl("delete", "validatingwebhookconfiguration", "tenure")
        node.kubectl("delete", "namespace", "large", timeout=900)


def organization() -> Body:
    """The only one."""
    return body("Organization", "large", keys={"maxPerMember": KEYS})


def memberships() -> Iterator[Body]:
    """Its members, one of whom is the Owner."""
    for number in range(MEMBERS):
        subject = {"kind": "User", "name": f"member-{number}@acme.io"}
        role = "Member" if number else "Owner"
        yield body("Membership", f"member-{number}", organization="large", subject=subject, role=role)


def keys() -> Iterator[Body]:
    """The keys of all members."""
    for number in range(MEMBERS * KEYS):
        yield body("ApiKey", f"key-{number}", membership=f"member-{number % MEMBERS}", access="View")


def body(kind: str, name: str, **spec: Any) -> Body:
    """An object in the namespace of the test."""
    metadata = {"name": name, "namespace": "large"}
    return {"apiVersion": "tenure.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def create(node: NodeCluster, objects: Iterable[Body]) -> None:
    """Create objects in some processes at once, and again those that a busy machine's webhooks didn't judge in time."""
    missing = {f"{each['kind'].lower()}.tenure.dev/{each['metadata']['name']}": each for each in objects}

    def send(items: list[Body]) -> str:
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        return node.kubectl("create", "--filename=-", input=json.dumps(listed), check=False, timeout=1800).stderr

    while missing:
        rest = list(missing.values())
        with ThreadPoolExecutor(PROCESSES) as pool:
            errors = list(pool.map(send, (rest[at : at + BATCH] for at in range(0, len(rest), BATCH))))
        for name in node.kubectl("get", rest[0]["kind"], "--namespace=large", "--output=name").stdout.split():
            missing.pop(name, None)
        assert len(missing) < len(rest), errors


def issued(node: NodeCluster) -> int:
    """How many Secrets of keys there are."""
    shown = node.kubectl("get", "secrets", "--namespace=large", "--output=name")
    return sum("/key-" in line for line in shown.stdout.splitlines())


def check_no_container_ended(node: NodeCluster) -> None:
    """Fail if a container was killed for its memory, or ended for another reason."""
    pods = [pod for each in COMPONENTS for pod in node.pods(each)]
    assert len(pods) == 2 * len(COMPONENTS)
    ended = {
        pod["metadata"]["name"]: status["lastState"]
        for pod in pods
        for status in pod["status"]["containerStatuses"]
        if status["lastState"]
    }
    assert ended == {}
