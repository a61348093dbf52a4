"""The mail process as its users run it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from support.programs.operator_process import OperatorProcess
from tenure_dev import mail


class MailProcess(OperatorProcess):
    """`python -m tenure mail` with its Lease in Tenure's own namespace."""

    ready_line = mail.READY_LINE

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *args: str,
        command: Sequence[str] = mail.COMMAND,
        env: Mapping[str, str] | None = None,
        health_port: int | None = None,
    ) -> None:
        super().__init__(kubeconfig, log, *args, command=command, env=env, health_port=health_port)
