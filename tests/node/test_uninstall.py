"""Uninstalling on a real node: with the definitions kept or not, nothing that is left blocks anything."""

from collections.abc import Iterator

import pytest

from support.cluster.node import CRDS, NodeCluster
from support.cluster.samples import Acme
from tenure_dev.chart import NAMESPACE


@pytest.fixture
def namespace(node: NodeCluster) -> Iterator[NodeCluster]:
    """Give the node with an empty namespace for Tenure."""
    node.create_namespace()
    yield node
    node.remove_tenure()


def names(node: NodeCluster, kind: str) -> set[str]:
    """The names of all objects of a kind that belong to Tenure."""
    listed = node.kubectl("get", kind, "--output=name").stdout.split()
    return {name.partition("/")[2] for name in listed if "tenure" in name}


def test_kept_definitions_keep_every_organization_and_nothing_refuses_its_changes(namespace: NodeCluster) -> None:
    node = namespace
    node.helm("install", "tenure", str(node.chart), "--wait", "--timeout=3m")
    with Acme.applied(node) as acme:
        token = acme.token("pipeline")
        node.helm("uninstall", "tenure", "--wait")

        assert names(node, "validatingwebhookconfigurations") == set()
        assert names(node, "validatingadmissionpolicies") == set()
        assert names(node, "crds") == {f"{each}.tenure.dev" for each in CRDS}
        assert acme.token("pipeline") == token
        assert acme.change_role("bob", "Member").returncode == 0

        # Installed again, it goes on with what is there.
        node.helm("install", "tenure", str(node.chart), "--wait", "--timeout=3m")
        assert acme.verdict(token) == 200
        assert acme.token("pipeline") == token


def test_without_them_nothing_is_left(namespace: NodeCluster) -> None:
    node = namespace
    node.helm("install", "tenure", str(node.chart), "--set=crds.keep=false", "--wait", "--timeout=3m")
    with Acme.applied(node):
        node.helm("uninstall", "tenure", "--wait")
    node.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")

    for kind in (
        "clusterroles",
        "clusterrolebindings",
        "crds",
        "namespaces",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
    ):
        assert names(node, kind) == set(), kind
