"""The control plane that the tests run on, and the fixtures that bind a test to it.

No test ever sees a cluster that the developer's own configuration points to.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
import requests

from support.api import Api
from support.audit import Audit, Entry
from support.identity import CONTROLLER, install_identities
from support.kubectl import NamespacedKubectl
from support.world import World
from tenure_dev.build import find_or_build
from tenure_dev.cluster import RunningCluster
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

pytest_plugins = ("support.soak",)

os.environ["KUBECONFIG"] = os.devnull
for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give one control plane for the whole run, with Tenure's CRDs and an audit log."""
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
    if config := os.environ.get("TENURE_TEST_KUBECONFIG"):
        log = os.environ.get("TENURE_TEST_AUDIT_LOG")
        # It has all that tests which share a cluster use.
        yield cast("ControlPlane", RunningCluster(Path(config), folder, Path(log) if log else None))
        return
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        yield plane


def is_refused(entry: Entry) -> bool:
    """Whether an operator that runs as the chart's ServiceAccount was refused for want of a right."""
    gone = "/namespaces/test-" in entry.path and entry.verb == "create"  # A namespace that is going away: 403 too.
    # One that isn't told `--no-webhooks`, as the chart tells it, looks whether it should serve them.
    looks = entry.resource == "validatingwebhookconfigurations"
    return entry.user == CONTROLLER and entry.code == requests.codes.forbidden and not gone and not looks


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Give a new namespace to one test; it is deleted afterwards, and nobody waits for that."""
    name = f"test-{uuid4().hex[:10]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def kubectl(control_plane: ControlPlane, namespace: str) -> NamespacedKubectl:
    """Give kubectl bound to the test's namespace."""
    return NamespacedKubectl(control_plane.kubectl, namespace)


@pytest.fixture
def audit(control_plane: ControlPlane) -> Audit:
    """Give the requests that the API server answers from here on."""
    if control_plane.audit_log is None:
        pytest.skip("this cluster writes no audit log")
    return Audit(control_plane.audit_log)


@pytest.fixture
def world(control_plane: ControlPlane, namespace: str) -> Iterator[World]:
    """Give the test's namespace, still empty."""
    api = Api(control_plane, namespace)
    yield World(api)
    api.close()
