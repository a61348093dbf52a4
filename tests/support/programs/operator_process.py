"""The operator as its users run it: a process of its own, started, stopped, killed and frozen."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from support.programs.forks import ForkedProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure_dev import operator
from tenure_dev.controlplane import free_ports


class OperatorProcess:
    """`python -m tenure run` against one kubeconfig, with its output in a file. Ends when the test process does."""

    ready_line = operator.READY_LINE

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *args: str,
        command: Sequence[str] = operator.COMMAND,
        env: Mapping[str, str] | None = None,
        health_port: int | None = None,
    ) -> None:
        # No setting of the developer's own reaches it.
        inherited = operator.environment(kubeconfig).items()
        environment = {name: value for name, value in inherited if not name.startswith("TENURE_")} | dict(env or {})
        self.log_path = log
        self.health_port = free_ports(1)[0] if health_port is None else health_port
        """Where it answers `/livez`, `/readyz` and `/metrics`; 0: nowhere, as an older version may want it."""
        health = [f"--health-port={self.health_port}"] if self.health_port else []
        arguments = [*command, *health, *args]
        self._process = ForkedProcess("tenure", arguments, log=log, env=environment)
        self._seen = 0

    def start(self, *, ready: bool = True, within: float = 30.0) -> Self:
        """Start it (again) and wait until it says that it is ready."""
        self._seen = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._process.start()
        if ready:
            try:
                self.wait_ready(within=within)
            except AssertionError:
                self.kill()  # Nobody has it yet who could stop it.
                raise
        return self

    def wait_ready(self, *, within: float = 30.0) -> None:
        """Wait for the ready line of the present start; an AssertionError holds the end of the log."""
        eventually(
            lambda: self.is_ready or not self.running, within=within, every=0.02, describe="the operator is ready"
        )
        assert self.is_ready, f"the operator ended with {self.exit_code}:\n{self._process.tail(30)}"

    @property
    def log(self) -> str:
        """Everything that it has written, over all starts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def ask(self, path: str) -> tuple[int, str]:
        """The status and the text that it answers at `livez`, `readyz` or `metrics`; 0 while it doesn't listen."""
        try:
            answer = requests.get(f"http://127.0.0.1:{self.health_port}/{path}", timeout=NEVER)
        except requests.ConnectionError:
            return 0, ""
        return answer.status_code, answer.text

    @property
    def is_ready(self) -> bool:
        """Whether the present start has come as far as being ready."""
        if not self.log_path.exists():
            return False
        with self.log_path.open("rb") as log:
            log.seek(self._seen)  # A long log would be read anew with each look.
            return self.ready_line.encode() in log.read()

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exit_code

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, *, within: float = 5.0) -> None:
        """Stop it as Kubernetes does, with SIGTERM; it must exit with 0 `within` seconds of a quiet machine."""
        self.terminate()
        try:
            eventually(lambda: not self.running, within=within, every=0.005, describe="SIGTERM ends it")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self._process.tail(30)}") from None
        code = self.exit_code
        assert code == 0, f"SIGTERM ended the operator with {code} instead of 0:\n{self._process.tail(30)}"

    def terminate(self) -> None:
        """Send SIGTERM, and don't wait."""
        self._process.send(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it with SIGKILL, as a crash or the loss of its machine would; may be called from any thread."""
        self._process.kill()

    def pause(self) -> None:
        """Freeze it: it keeps its connections and sees nothing."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._process.send(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.kill()  # What failed is the test; don't hide it behind an exit code.
        elif self.running:
            self.resume()
            self.stop()
