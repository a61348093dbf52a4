"""The ways without Helm, on a real node."""

from collections.abc import Iterator

import pytest

from support.cluster.node import COMPONENTS, NodeCluster
from support.cluster.samples import Acme
from tenure_dev.chart import NAMESPACE
from tenure_dev.paths import CHECKOUT

WAYS = {
    "kustomize": ["--kustomize", str(CHECKOUT / "manifests")],
    "file": ["--server-side", "--filename", str(CHECKOUT / "manifests" / "install.yaml")],
}


@pytest.fixture(params=WAYS)
def applied(request: pytest.FixtureRequest, node: NodeCluster) -> Iterator[NodeCluster]:
    """Install Tenure with kubectl, and delete the same objects afterwards."""
    way = WAYS[request.param]
    options = [] if "--server-side" in way else ["--server-side"]
    # The namespace and the kinds are in the same file, so some objects are accepted at the second time only.
    node.kubectl("apply", *options, *way)
    node.wait_ready()
    yield node
    where = [option for option in way if option != "--server-side"]
    node.kubectl("delete", "--ignore-not-found", *where)
    assert NAMESPACE not in node.kubectl("get", "namespaces", "--output=name").stdout


def test_every_pod_becomes_ready_and_changes_are_checked(applied: NodeCluster) -> None:
    assert {each: len(applied.pods(each)) for each in COMPONENTS} == dict.fromkeys(COMPONENTS, 2)
    assert applied.restarts() == 0
    with Acme.applied(applied) as acme:
        assert acme.verdict(acme.token("ci-deploy")) == 200
        assert "would revoke 2 API keys" in acme.change_role("alice", "Viewer").stderr
