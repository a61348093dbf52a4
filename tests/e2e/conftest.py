"""Operators of a test's own, and replicas; most tests have the shared one, `operator`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api.client import fresh_namespace
from support.cluster.identity import CONTROLLER, config_of
from support.programs.operator_process import OperatorProcess
from support.programs.replicas import Replicas, delete_lease
from support.programs.shared_operator import SharedOperator
from tenure_dev.cluster import RunningCluster
from tenure_dev.controlplane import ControlPlane


@pytest.fixture
def etcd(control_plane: ControlPlane) -> str:
    """Give the address of etcd."""
    if isinstance(control_plane, RunningCluster):
        pytest.skip("this cluster's etcd can't be reached")
    return control_plane.etcd_endpoint


@pytest.fixture
def stopped_operator(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Give an operator for the test's namespace that the test starts itself."""
    operator = OperatorProcess(
        config_of(control_plane, CONTROLLER),
        tmp_path / "operator.log",
        "--namespace",
        namespace,
        "--log-level",
        "debug",
    )
    yield operator
    if operator.running:
        operator.resume()
        operator.stop()


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> None:
    """Stop the shared operator, for a test that starts one for all namespaces."""
    shared: SharedOperator = request.getfixturevalue("shared_operator")
    shared.stop()


@pytest.fixture
def replicas(
    request: pytest.FixtureRequest, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> Iterator[Replicas]:
    """Give two replicas that aren't started, and no Lease that another test left behind.

    A test that waits for no end of the Lease gives a longer one as the parameter.
    """
    delete_lease(control_plane)
    replicas = Replicas(control_plane, namespace, tmp_path, lease_seconds=getattr(request, "param", None))
    yield replicas
    replicas.stop()


@pytest.fixture
def pair(replicas: Replicas) -> Replicas:
    """Give two replicas that run; the first one leads."""
    replicas.start()
    return replicas


@pytest.fixture(scope="session")
def own_plane(own_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give the control plane that a module has for itself, with two namespaces."""
    with fresh_namespace(own_plane, "acme"), fresh_namespace(own_plane, "judged"):
        yield own_plane
