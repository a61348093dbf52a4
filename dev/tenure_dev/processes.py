"""Start child processes that never outlive their parent."""

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tenure_dev.errors import ToolError

_PR_SET_PDEATHSIG = 1
# PyDLL keeps the GIL during the call, because between fork and exec no other thread exists that could give it back.
_LIBC = ctypes.PyDLL(None) if sys.platform == "linux" else None


def dies_with_parent() -> Callable[[], None]:
    """Return a `preexec_fn` with which the kernel kills the child as soon as its parent has exited (Linux only).

    For the kernel, the parent is the *thread* that forked. It would kill the child of a short-lived thread when that
    thread ends. So `Process.start` must be called in the main thread.
    """
    return functools.partial(_die_with, os.getpid())


def _die_with(parent: int) -> None:
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # The parent died before the call above took effect.
        os._exit(1)


class Process:
    """A child process that writes its output to a log file."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._env = None if env is None else dict(env)
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the process and append its output to the log. Raises `ToolError` if the program can't be started."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"{self.name} must be started from the main thread: see dies_with_parent")
        with self.log.open("ab") as output:
            try:
                self._popen = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    process_group=0,  # Ctrl-C is for the parent, which stops its children in order.
                    preexec_fn=self._before(),  # noqa: PLW1509  (it takes no lock: see _LIBC)
                )
            except OSError as error:
                raise ToolError(f"{self.name} can't be started: {error}") from error
        return self

    def _before(self) -> Callable[[], None]:
        """Return what the child does before it becomes the program."""
        return dies_with_parent()

    @property
    def pid(self) -> int:
        """The process id. Raises `RuntimeError` before the start."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, which is negative after a signal, or None while the process runs."""
        return self._child.poll()

    @property
    def running(self) -> bool:
        """Whether the process was started and hasn't exited."""
        return self._popen is not None and self._popen.poll() is None

    def stop(self, *, grace: float = 5.0) -> int:
        """Send SIGTERM, send SIGKILL after `grace` seconds, and return the exit code.

        A process that has already exited gets no signal.
        """
        if self.running:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._child.wait(grace)
        return self.kill()

    def kill(self) -> int:
        """Send SIGKILL and return the exit code."""
        self._child.kill()
        return self._child.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._child.send_signal(number)

    def wait(self, within: float) -> int:
        """Wait until it exits and return the exit code. Raises `subprocess.TimeoutExpired` after `within` seconds."""
        return self._child.wait(within)

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def failure(self, what: str) -> ToolError:
        """Return an error with the process's name, what went wrong, and the last lines of the log."""
        return ToolError(f"{self.name} {what}. The last lines of {self.log}:\n{self.tail()}")

    @property
    def _child(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._popen


def wait_until(check: Callable[[], bool], *, within: float, every: float = 0.02) -> bool:
    """Poll `check` every `every` seconds until it is true. Return False if that takes longer than `within` seconds."""
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
