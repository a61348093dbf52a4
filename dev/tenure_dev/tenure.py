"""Tenure on a control plane of the loopback: webhooks, operator and verifier, each a process of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tenure_dev import operator, verifier, webhooks
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.errors import ToolError
from tenure_dev.paths import CHECKOUT
from tenure_dev.processes import Process, wait_until

ROLES = CHECKOUT / "manifests" / "roles.yaml"
OPERATOR_OPTIONS = ("--no-webhooks", "--kubernetes-access=RolesAndKeys")
"""Webhooks are a process of their own, and access is given as the chart gives it."""
READY_WITHIN = 60.0
"""Seconds that a half may take to become ready; it takes one, and a busy machine is no failure."""


@dataclass(frozen=True)
class Part:
    """One of the processes, and the line by which it says that it is ready."""

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
    """All parts: the operator can be stopped while changes are still judged and tokens verified."""

    webhook: Part
    operator: Part
    verifier: Part
    url: str
    """Where tokens are verified."""

    @classmethod
    def install(cls, plane: ControlPlane, logs: Path) -> Self:
        """Install roles and webhooks; nothing runs yet, and all changes of the three kinds are refused until then."""
        plane.kubectl("apply", "--server-side", "--filename", str(ROLES))
        port = webhooks.install(plane)
        environment = operator.environment(plane.kubeconfig)

        def part(name: str, command: tuple[str, ...], ready_line: str) -> Part:
            return Part(Process(name, command, log=logs / f"{name}.log", env=environment), ready_line)

        (verify_port,) = free_ports(1)
        return cls(
            webhook=part("webhook", webhooks.command(port), webhooks.READY_LINE),
            operator=part("operator", (*operator.COMMAND, *OPERATOR_OPTIONS), operator.READY_LINE),
            verifier=part("verifier", verifier.command(verify_port), verifier.READY_LINE),
            url=f"http://127.0.0.1:{verify_port}",
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them, in the order of their start."""
        return self.webhook, self.operator, self.verifier

    def start(self) -> None:
        """Start all."""
        for part in self.parts:
            part.start()

    def stop(self) -> None:
        """Stop all."""
        for part in reversed(self.parts):
            part.stop()

    def revive(self) -> None:
        """Start again what has ended, as the kubelet would; its log says why it ended."""
        for part in self.parts:
            if not part.process.running:
                try:
                    part.start()
                except ToolError as error:
                    print(error, flush=True)
