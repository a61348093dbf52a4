"""An operator that gives access in Kubernetes, as the chart's ServiceAccount or as one that lacks rights."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.access import Start, giving
from support.identity import CONTROLLER, config_of
from support.operator_process import OperatorProcess
from support.rights import grant, rule
from support.shared_operator import NO_SWEEP, SharedOperator
from tenure.kube.rights import (
    CLUSTER_ROLE_RIGHTS,
    DEFINITION_RIGHTS,
    OWN_KEYS_RIGHTS,
    RIGHTS,
    ROLE_BINDING_RIGHTS,
)
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
    return _account(control_plane, "tenure-unbound", [])


@pytest.fixture(scope="session")
def unsighted(control_plane: ControlPlane) -> str:
    """Give a ServiceAccount that may do what the controller does, but list Roles."""
    rules = [right.to_rule() for right in (*ROLE_BINDING_RIGHTS, *CLUSTER_ROLE_RIGHTS)]
    rules += [rule(right, "list") for right in OWN_KEYS_RIGHTS]
    return _account(control_plane, "tenure-unsighted", rules)


@pytest.fixture(scope="session")
def unclosing(control_plane: ControlPlane) -> str:
    """Give a ServiceAccount that may do what the controller does, but take a RoleBinding away."""
    rules = [right.to_rule() for right in (*OWN_KEYS_RIGHTS, *CLUSTER_ROLE_RIGHTS)]
    rules += [rule(right, "delete") for right in ROLE_BINDING_RIGHTS]
    return _account(control_plane, "tenure-unclosing", rules)


def _account(plane: ControlPlane, name: str, access: list[dict[str, object]]) -> str:
    plane.kubectl("create", "serviceaccount", name, f"--namespace={NAMESPACE}")
    account = f"system:serviceaccount:{NAMESPACE}:{name}"
    needed = [right.to_rule() for right in (*RIGHTS, *DEFINITION_RIGHTS)]
    for body in grant(account, [*needed, *access]):
        plane.kubectl("apply", "--filename=-", input=json.dumps(body))
    return account
