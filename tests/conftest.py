"""The control plane that the tests run on, and the fixtures that bind a test to it.

No test ever sees a cluster that the developer's own configuration points to. Each worker of a run has a control plane
of its own. What only tests on a cluster need is imported where it is used, so that a unit test starts at once.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from support.run.order import in_order
from support.run.progress import write_failure
from support.run.timing import write_times
from tenure.unused import load_when_used
from tenure_dev.bytecode import keep_own_bytecode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.api.audit import Audit, Entry
    from support.api.kubectl import NamespacedKubectl
    from support.cluster.world import World
    from support.programs.judged import Judged
    from support.programs.operator_process import OperatorProcess
    from support.programs.shared_operator import SharedOperator
    from tenure_dev.controlplane import ControlPlane

pytest_plugins = ("support.run.soak",)

# They need a real node, in whose namespaces `make e2e-node` runs them, the engines that `make e2e-engines` builds,
# a mail server that `make e2e-mail` builds, and the time that `make e2e-console` takes.
APART = ("node", "engines", "post", "browser")
collect_ignore = [folder for folder in APART if f"TENURE_{folder.upper()}" not in os.environ]

load_when_used()  # As each start of Tenure does: the client's synchronous half takes half of a unit test's time.

os.environ["KUBECONFIG"] = os.devnull
for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
    os.environ.pop(name, None)
keep_own_bytecode()

SHARED = "shared_operator"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put folders that take long first, so that no worker is left alone with one of them at the end."""
    items[:] = in_order(items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a test at once when it fails, so that a run which is stopped says what failed."""
    write_failure(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the time of each folder."""
    write_times(terminalreporter)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give one control plane for the whole run, with Tenure's CRDs and an audit log."""
    from support.api.audit import Audit
    from support.cluster.identity import install_identities

    folder = tmp_path_factory.mktemp("control-plane")
    with start_or_find(folder) as plane:
        install_identities(plane)
        audit = Audit(plane.audit_log) if plane.audit_log is not None else None
        yield plane
        plane.check()
        entries = [] if audit is None else audit.entries()
        refused = {(entry.verb, entry.resource) for entry in entries if is_refused(entry)}
        assert refused == set(), f"operators asked for what the chart doesn't grant them: {refused}"


@contextmanager
def start_or_find(folder: Path) -> Iterator[ControlPlane]:
    """Give the cluster that `TENURE_TEST_KUBECONFIG` names, which is never an ambient one, or start a control plane."""
    from tenure_dev.build import find_or_build
    from tenure_dev.cluster import RunningCluster
    from tenure_dev.controlplane import ControlPlane
    from tenure_dev.paths import CRDS

    if config := os.environ.get("TENURE_TEST_KUBECONFIG"):
        log = os.environ.get("TENURE_TEST_AUDIT_LOG")
        # It has all that tests which share a cluster use.
        yield cast("ControlPlane", RunningCluster(Path(config), folder, Path(log) if log else None))
        return
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        yield plane


def is_refused(entry: Entry) -> bool:
    """Whether an operator that runs as the chart's ServiceAccount was refused for want of a right."""
    from support.cluster.identity import CONTROLLER

    gone = "/namespaces/test-" in entry.path and entry.verb == "create"  # A namespace that is going away: 403 too.
    # One that isn't told `--no-webhooks`, as the chart tells it, looks whether it should serve them.
    looks = entry.resource == "validatingwebhookconfigurations"
    return entry.user == CONTROLLER and entry.code == 403 and not gone and not looks


@pytest.fixture
def namespace(request: pytest.FixtureRequest, control_plane: ControlPlane) -> Iterator[str]:
    """Give a namespace to one test: one that the shared operator serves where the test has that, or else a new one."""
    from support.api.client import fresh_namespace

    if SHARED not in request.node.fixturenames:
        with fresh_namespace(control_plane) as client:
            yield client.namespace
        return
    shared: SharedOperator = request.getfixturevalue(SHARED)
    failed_before = request.session.testsfailed
    yield shared.take()
    shared.give_back(spoilt=request.session.testsfailed > failed_before)


@pytest.fixture(scope="session")
def shared_operator(
    control_plane: ControlPlane, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedOperator]:
    """Give the operator that serves the namespaces of one test after another."""
    from support.programs.shared_operator import NO_SWEEP, SharedOperator

    options = ("--log-level=debug", NO_SWEEP)
    with SharedOperator.for_tests(request, tmp_path_factory, control_plane, *options) as shared:
        yield shared


@pytest.fixture
def operator(shared_operator: SharedOperator, namespace: str) -> OperatorProcess:
    """Give the running operator of the test's namespace, which the test may stop, kill and start again."""
    assert namespace
    return shared_operator.process


@pytest.fixture(scope="session")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane to one module at a time, which may stop its parts, and let operators serve all of it.

    An API server refuses everybody for a moment once it starts again. No module leaves webhooks behind.
    """
    from tenure_dev.build import find_or_build
    from tenure_dev.controlplane import ControlPlane
    from tenure_dev.paths import CRDS

    with ControlPlane.start(find_or_build(), tmp_path_factory.mktemp("own-plane"), crds=CRDS) as plane:
        yield plane


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Give a control plane with the roles, one webhook process and the operator, for all tests that stop none of them.

    A test that stops or replaces one of them starts a control plane of its own.
    """
    from support.programs.judged import judged_plane
    from support.programs.shared_operator import NO_SWEEP

    with judged_plane(tmp_path_factory.mktemp("judged"), NO_SWEEP) as judged:
        yield judged


@pytest.fixture
def kubectl(control_plane: ControlPlane, namespace: str) -> NamespacedKubectl:
    """Give kubectl bound to the test's namespace."""
    from support.api.kubectl import NamespacedKubectl

    return NamespacedKubectl(control_plane.kubectl, namespace)


@pytest.fixture
def audit(control_plane: ControlPlane) -> Audit:
    """Give the requests that the API server answers from here on."""
    from support.api.audit import Audit

    if control_plane.audit_log is None:
        pytest.skip("this cluster writes no audit log")
    return Audit(control_plane.audit_log)


@pytest.fixture
def world(control_plane: ControlPlane, namespace: str) -> Iterator[World]:
    """Give the test's namespace, still empty."""
    from support.api.api import Api
    from support.cluster.world import World

    api = Api(control_plane, namespace)
    yield World(api)
    api.close()
