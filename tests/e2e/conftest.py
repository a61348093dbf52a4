"""An operator for each test, which serves the test's namespace alone, and the world that the test acts in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.identity import CONTROLLER, config_of
from support.operator_process import OperatorProcess
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
def operator(stopped_operator: OperatorProcess) -> OperatorProcess:
    """Give a running operator for the test's namespace."""
    return stopped_operator.start()
