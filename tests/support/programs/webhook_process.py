"""A webhook process as its users run it, beside others on the same port of the loopback."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from support.programs.operator_process import OperatorProcess
from tenure_dev import webhooks


class WebhookProcess(OperatorProcess):
    """`python -m tenure webhook`; several may share a port, and the kernel shares connections out among them."""

    ready_line = webhooks.READY_LINE

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        port: int,
        *args: str,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        health_port: int | None = None,
    ) -> None:
        super().__init__(
            kubeconfig, log, *args, command=command or webhooks.command(port), env=env, health_port=health_port
        )
