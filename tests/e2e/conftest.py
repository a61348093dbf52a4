"""An operator for each test, which serves the test's namespace alone, and the world that the test acts in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.identity import CONTROLLER, config_of
from support.operator_process import OperatorProcess
from support.replicas import Replicas, delete_lease
from tenure_dev.build import find_or_build
from tenure_dev.cluster import RunningCluster
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS


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


@pytest.fixture
def replicas(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Replicas]:
    """Give two replicas that aren't started, and no Lease that another test left behind."""
    delete_lease(control_plane)
    replicas = Replicas(control_plane, namespace, tmp_path)
    yield replicas
    replicas.stop()


@pytest.fixture
def pair(replicas: Replicas) -> Replicas:
    """Give two replicas that run; the first one leads."""
    replicas.start()
    return replicas


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane whose API server may be stopped: it refuses everybody for a moment once it starts again."""
    with ControlPlane.start(find_or_build(), tmp_path_factory.mktemp("own-plane"), crds=CRDS) as plane:
        plane.kubectl("create", "namespace", "acme")
        plane.kubectl("create", "namespace", "judged")
        yield plane
