"""The control plane that the tests run on, and the fixtures that bind a test to it.

No test ever sees a cluster that the developer's own configuration points to.
"""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
import requests

from support.audit import Audit, Entry
from support.identity import CONTROLLER, install_identities
from support.kubectl import NamespacedKubectl
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

os.environ["KUBECONFIG"] = os.devnull
for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give one control plane for the whole run, with Tenure's CRDs and an audit log."""
    folder = tmp_path_factory.mktemp("control-plane")
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        assert plane.audit_log is not None
        install_identities(plane)
        audit = Audit(plane.audit_log)
        yield plane
        plane.check()
        refused = {(entry.verb, entry.resource) for entry in audit.entries() if is_refused(entry)}
        assert refused == set(), f"operators asked for what the chart doesn't grant them: {refused}"


def is_refused(entry: Entry) -> bool:
    """Whether an operator that runs as the chart's ServiceAccount was refused for want of a right."""
    gone = "/namespaces/test-" in entry.path and entry.verb == "create"  # A namespace that is going away: 403 too.
    return entry.user == CONTROLLER and entry.code == requests.codes.forbidden and not gone


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
    assert control_plane.audit_log is not None
    return Audit(control_plane.audit_log)
