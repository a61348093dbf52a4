"""A control plane on which every change is judged, with the operator beside the webhooks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from support.api import Api
from support.audit import Audit
from support.operator_process import OperatorProcess
from support.webhook_process import WebhookProcess
from support.world import World
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

ROLES = CHECKOUT / "manifests" / "roles.yaml"


@dataclass(frozen=True)
class Judged:
    """A control plane with the webhooks registered, and who serves them."""

    plane: ControlPlane
    port: int
    webhook: WebhookProcess
    operator: OperatorProcess


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Give a control plane with the roles, one webhook process and the operator, for all tests of this folder.

    A test that stops or replaces one of them starts a control plane of its own.
    """
    folder = tmp_path_factory.mktemp("judged")
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        plane.kubectl("apply", "--server-side", "--filename", str(ROLES))
        port = webhooks.install(plane)
        webhook = WebhookProcess(plane.kubeconfig, folder / "webhook.log", port)
        operator = OperatorProcess(plane.kubeconfig, folder / "operator.log", "--no-webhooks")
        with webhook, operator:
            yield Judged(plane, port, webhook, operator)


@pytest.fixture
def world(judged: Judged) -> Iterator[World]:
    """Give a namespace of the judged control plane, seen by its administrator; `world.api.as_user` is somebody else."""
    name = f"test-{uuid4().hex[:10]}"
    judged.plane.kubectl("create", "namespace", name)
    api = Api(judged.plane, name)
    yield World(api)
    api.close()
    judged.plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def audit(judged: Judged) -> Audit:
    """Give the requests that the judged API server answers from here on."""
    assert judged.plane.audit_log is not None
    return Audit(judged.plane.audit_log)


@pytest.fixture
def log(judged: Judged) -> Path:
    """Give the webhook process's log."""
    return judged.webhook.log_path
