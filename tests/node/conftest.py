"""The node that these tests run in, and Tenure on it, installed as people install it.

`make e2e-node` runs them in the namespaces of a node, where Services and pods can be reached.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster.node import NodeCluster
from support.cluster.samples import Acme


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark of what CI runs."""
    config.addinivalue_line("markers", "short: a part of the short form, which CI runs")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> NodeCluster:
    """Give the node."""
    return NodeCluster(Path(os.environ["TENURE_NODE"]), tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def installed(node: NodeCluster) -> Iterator[NodeCluster]:
    """Give the node with the chart on it, in a namespace that enforces restricted pods; remove it afterwards."""
    node.create_namespace()
    node.helm("install", "tenure", str(node.chart), "--wait", "--timeout=3m")
    yield node
    node.remove_tenure()


@pytest.fixture(scope="module")
def acme(installed: NodeCluster) -> Iterator[Acme]:
    """Give the organization of the samples, whose keys are issued."""
    with Acme.applied(installed) as acme:
        yield acme
