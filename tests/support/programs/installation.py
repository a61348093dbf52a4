"""A control plane whose webhooks and operator are started again and again, as they were installed otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support.programs.operator_process import OperatorProcess
from support.programs.webhook_process import WebhookProcess
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS


@dataclass(frozen=True)
class Installation:
    """A control plane with the webhooks registered; nobody serves them until somebody does."""

    plane: ControlPlane
    folder: Path
    port: int

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Iterator[Self]:
        """Start a control plane, and stop it afterwards."""
        with ControlPlane.start(find_or_build(), folder, crds=CRDS) as plane:
            yield cls(plane, folder, webhooks.install(plane))

    @contextmanager
    def serving(self, *options: str) -> Iterator[WebhookProcess]:
        """Run the operator and a webhook process with the same options while the block runs; give the webhook."""
        command = (*webhooks.command(self.port), *options)
        webhook = WebhookProcess(self.plane.kubeconfig, self.folder / "webhook.log", self.port, command=command)
        operator = OperatorProcess(self.plane.kubeconfig, self.folder / "operator.log", "--no-webhooks", *options)
        with webhook, operator:
            yield webhook
