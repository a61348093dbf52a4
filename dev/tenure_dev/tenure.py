"""Run Tenure on a local control plane: webhooks, operator and verifier, each in a process of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tenure_dev import console, mail, operator, verifier, webhooks
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.errors import ToolError
from tenure_dev.paths import CHECKOUT
from tenure_dev.processes import Process, wait_until

ROLES = CHECKOUT / "manifests" / "roles.yaml"
OPERATOR_OPTIONS = ("--no-webhooks", "--kubernetes-access=RolesAndKeys")
"""The webhooks have a process of their own, and members get the same access in Kubernetes as with the chart."""
READY_WITHIN = 60.0
"""Seconds that a part may take to become ready. It usually takes one, but a busy machine shouldn't fail a test."""


@dataclass(frozen=True)
class Part:
    """One of the processes, and the log line that it writes when it is ready."""

    process: Process
    ready_line: str

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        before = self._ready_lines()
        self.process.start()
        wait_until(lambda: self._ready_lines() > before or not self.process.running, within=READY_WITHIN)
        if not self.process.running:
            raise self.process.failure(f"ended with exit code {self.process.exit_code}")
        if self._ready_lines() == before:
            raise self.process.failure("isn't ready")

    def stop(self) -> None:
        """Stop the process if it runs."""
        if self.process.running:
            self.process.stop()

    def _ready_lines(self) -> int:
        log = self.process.log
        return log.read_text(errors="replace").count(self.ready_line) if log.exists() else 0


@dataclass(frozen=True)
class Tenure:
    """All parts of Tenure. You can stop the operator while the webhooks and the verifier keep working."""

    webhook: Part
    operator: Part
    verifier: Part
    url: str
    """URL of the verifier."""

    mail: Part | None = None
    """The mail process, or None if no letters are sent."""
    mail_url: str | None = None
    """URL of its page and its API."""
    console: Part | None = None
    """The administrator's own console, or None if nobody asked for one."""

    @classmethod
    def install(
        cls, plane: ControlPlane, logs: Path, *, smtp_port: int | None = None, with_console: bool = False
    ) -> Self:
        """Install the ClusterRoles and the webhook configuration, and return Tenure, which isn't started yet.

        Until the webhooks run, the API server rejects all changes of the three kinds. With the port of a mail server on
        this machine, letters are sent, and new members are invited at once.
        """
        plane.kubectl("apply", "--server-side", "--filename", str(ROLES))
        port = webhooks.install(plane)
        environment = operator.environment(plane.kubeconfig)

        def part(name: str, command: tuple[str, ...], ready_line: str) -> Part:
            return Part(Process(name, command, log=logs / f"{name}.log", env=environment), ready_line)

        verify_port, page_port, console_port = free_ports(3)
        operate: tuple[str, ...] = (*operator.COMMAND, *OPERATOR_OPTIONS)
        mail_part = None
        if smtp_port is not None:
            operate = mail.at_once(operate)
            send = mail.command(plane.folder, page_port=page_port, smtp_port=smtp_port)
            mail_part = part("mail", send, mail.READY_LINE)
        return cls(
            webhook=part("webhook", webhooks.command(port), webhooks.READY_LINE),
            operator=part("operator", operate, operator.READY_LINE),
            verifier=part("verifier", verifier.command(verify_port), verifier.READY_LINE),
            url=f"http://127.0.0.1:{verify_port}",
            mail=mail_part,
            mail_url=None if mail_part is None else f"http://127.0.0.1:{page_port}",
            console=part("console", console.local_command(console_port), console.LOCAL_READY_LINE)
            if with_console
            else None,
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order of their start."""
        chosen = (part for part in (self.mail, self.console) if part is not None)
        return self.webhook, self.operator, self.verifier, *chosen

    def start(self) -> None:
        """Start all parts."""
        for part in self.parts:
            part.start()

    def stop(self) -> None:
        """Stop all parts."""
        for part in reversed(self.parts):
            part.stop()

    def revive(self) -> None:
        """Restart the parts that have exited, as the kubelet would. Their logs say why they exited."""
        for part in self.parts:
            if not part.process.running:
                try:
                    part.start()
                except ToolError as error:
                    print(error, flush=True)
