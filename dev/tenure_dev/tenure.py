"""Tenure on a control plane of the loopback: the webhooks and the operator, each a process of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tenure_dev import operator, webhooks
from tenure_dev.controlplane import ControlPlane
from tenure_dev.errors import ToolError
from tenure_dev.paths import CHECKOUT
from tenure_dev.processes import Process, wait_until

ROLES = CHECKOUT / "manifests" / "roles.yaml"
READY_WITHIN = 60.0
"""Seconds that a half may take to become ready; it takes one, and a busy machine is no failure."""


@dataclass(frozen=True)
class Half:
    """One of the two processes, and the line by which it says that it is ready."""

    process: Process
    ready_line: str

    def start(self) -> None:
        """Start it and wait until it serves."""
        before = self._ready_lines()
        self.process.start()
        wait_until(lambda: self._ready_lines() > before or not self.process.running, within=READY_WITHIN)
        if not self.process.running:
            raise self.process.failure(f"ended with exit code {self.process.exit_code}")
        if self._ready_lines() == before:
            raise self.process.failure("isn't ready")

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self.process.running:
            self.process.stop()

    def _ready_lines(self) -> int:
        log = self.process.log
        return log.read_text(errors="replace").count(self.ready_line) if log.exists() else 0


@dataclass(frozen=True)
class Tenure:
    """Both halves: the operator can be stopped while changes are still judged."""

    webhook: Half
    operator: Half

    @classmethod
    def install(cls, plane: ControlPlane, logs: Path) -> Self:
        """Install roles and webhooks; nothing runs yet, and all changes of the three kinds are refused until then."""
        plane.kubectl("apply", "--server-side", "--filename", str(ROLES))
        port = webhooks.install(plane)
        environment = operator.environment(plane.kubeconfig)

        def half(name: str, command: tuple[str, ...], ready_line: str) -> Half:
            return Half(Process(name, command, log=logs / f"{name}.log", env=environment), ready_line)

        return cls(
            webhook=half("webhook", webhooks.command(port), webhooks.READY_LINE),
            operator=half("operator", (*operator.COMMAND, "--no-webhooks"), operator.READY_LINE),
        )

    @property
    def halves(self) -> tuple[Half, Half]:
        """Both, in the order of their start."""
        return self.webhook, self.operator

    def start(self) -> None:
        """Start both."""
        for half in self.halves:
            half.start()

    def stop(self) -> None:
        """Stop both."""
        for half in reversed(self.halves):
            half.stop()

    def revive(self) -> None:
        """Start again what has ended, as the kubelet would; its log says why it ended."""
        for half in self.halves:
            if not half.process.running:
                try:
                    half.start()
                except ToolError as error:
                    print(error, flush=True)
