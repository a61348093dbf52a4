"""An operator that gives access in Kubernetes, as the chart's ServiceAccount or as one that lacks rights."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster.access import Start, giving
from support.cluster.identity import CONTROLLER, config_of
from support.programs.operator_process import OperatorProcess
from support.programs.rights import grant, rights_of, rule
from support.programs.shared_operator import NO_SWEEP, SharedOperator
from tenure.kube.right import ALWAYS, Place
from tenure.observability.metrics import Component
from tenure_dev.chart import NAMESPACE
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT


@pytest.fixture(scope="module", autouse=True)
def _cluster_roles(control_plane: ControlPlane) -> None:
    control_plane.kubectl("apply", "--server-side", f"--filename={CHECKOUT / 'manifests' / 'roles.yaml'}")


@pytest.fixture(scope="session")
def shared_operator(
    control_plane: ControlPlane, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedOperator]:
    """Give one that gives access."""
    options = (*giving("RolesAndKeys"), NO_SWEEP)
    with SharedOperator.for_tests(request, tmp_path_factory, control_plane, *options) as shared:
        yield shared


@pytest.fixture
def start(
    request: pytest.FixtureRequest, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> Iterator[Start]:
    """Give a start of an operator of the test's own, as the chart's ServiceAccount unless another identity is named."""
    started: list[OperatorProcess] = []
    served = "operator" in request.node.fixturenames

    def start(access: str = "RolesAndKeys", *, account: str = CONTROLLER) -> OperatorProcess:
        assert not served or not request.getfixturevalue("operator").running, "it serves this namespace already"
        options = (f"--namespace={namespace}", *giving(access))
        operator = OperatorProcess(config_of(control_plane, account), tmp_path / "operator.log", *options)
        started.append(operator)
        return operator.start()

    yield start
    for operator in started:
        if operator.running:
            operator.stop()


@pytest.fixture(scope="session")
def unbound(control_plane: ControlPlane) -> str:
    """Give a ServiceAccount that may do what the controller does, but give no access."""
    return _account(control_plane, "tenure-unbound", gives_access=False)


@pytest.fixture(scope="session")
def unsighted(control_plane: ControlPlane) -> str:
    """Give a ServiceAccount that may do what the controller does, but list Roles."""
    return _account(control_plane, "tenure-unsighted", but=("roles", "list"))


@pytest.fixture(scope="session")
def unclosing(control_plane: ControlPlane) -> str:
    """Give a ServiceAccount that may do what the controller does, but take a RoleBinding away."""
    return _account(control_plane, "tenure-unclosing", but=("rolebindings", "delete"))


def _account(plane: ControlPlane, name: str, *, gives_access: bool = True, but: tuple[str, str] = ("", "")) -> str:
    plane.kubectl("create", "serviceaccount", name, f"--namespace={NAMESPACE}")
    account = f"system:serviceaccount:{NAMESPACE}:{name}"
    when = None if gives_access else (ALWAYS,)
    rights = rights_of(Component.CONTROLLER, Place.CLUSTER, Place.SERVED, when=when)
    resource, verb = but
    for body in grant(account, [rule(right, verb if right.resource == resource else "") for right in rights]):
        plane.kubectl("apply", "--filename=-", input=json.dumps(body))
    return account
