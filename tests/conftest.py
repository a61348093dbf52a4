"""The control plane that the tests run on, and the fixtures that bind a test to it.

No test ever sees a cluster that the developer's own configuration points to.
"""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from support.audit import Audit
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
        yield plane
        plane.check()


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
