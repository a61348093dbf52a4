"""A control plane on which every change is judged, with the operator beside the webhooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.programs.operator_process import OperatorProcess
from support.programs.webhook_process import WebhookProcess
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


@contextmanager
def judged_plane(folder: Path, *options: str) -> Iterator[Judged]:
    """Start everything in a folder, the operator with these options."""
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        plane.kubectl("apply", "--server-side", "--filename", str(ROLES))
        port = webhooks.install(plane)
        webhook = WebhookProcess(plane.kubeconfig, folder / "webhook.log", port)
        operator = OperatorProcess(plane.kubeconfig, folder / "operator.log", "--no-webhooks", *options)
        with webhook, operator:
            yield Judged(plane, port, webhook, operator)
