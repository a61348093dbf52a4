"""Tenure's processes without the seconds that Python takes to import them: forked from one that has.

They are processes like others: with the arguments, environment and streams that they are given, and children of who
starts them. `TENURE_TEST_FORKS=no` has all of them started as users do.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import cast

from tenure_dev.processes import Process, dies_with_parent

_COMMAND = [sys.executable, "-m", "tenure"]
_SERVER = Path(__file__).with_name("fork_server.py")
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.PyDLL(None)
_one_at_a_time = threading.Lock()
"""Tests start processes from several threads; a question and its answers on the channel belong together."""


class Forked:
    """A child process that `subprocess` didn't start, to be used like those that it did."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
            return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for its end and return the exit code."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(_COMMAND, timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkedProcess(Process):
    """A process of Tenure's, with its output in a file; forked where it is started by the command that users have."""

    def start(self) -> "ForkedProcess":
        """Start it; output is appended to the log."""
        if not is_forked(self.command):
            super().start()
            return self
        with self.log.open("ab") as output:
            self._popen = cast("subprocess.Popen[bytes]", fork(self.command, self._env or {}, output.fileno()))
        return self


def is_forked(command: Sequence[str]) -> bool:
    """Whether a command is one for which there is a process to fork from."""
    return list(command[: len(_COMMAND)]) == _COMMAND and os.environ.get("TENURE_TEST_FORKS") != "no"


def fork(command: Sequence[str], environment: Mapping[str, str], output: int, errors: int | None = None) -> Forked:
    """Start a command for which `is_forked` holds, with its output in an open file."""
    request = {
        "arguments": list(command[len(_COMMAND) :]),
        "environment": dict(environment),
        "folder": os.getcwd(),  # noqa: PTH109  (as text)
        "parent": os.getpid(),
    }
    with _one_at_a_time, open(os.devnull, "rb") as nothing:  # noqa: PTH123
        channel, _ = _server()
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        try:
            streams = [nothing.fileno(), output, output if errors is None else errors]
            socket.send_fds(channel, [json.dumps(request).encode()], streams)
            pid = int(channel.recv(64))
            assert channel.recv(64)
        finally:
            _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 0)
    return Forked(pid)


@cache
def _server() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    """The process that is forked from, which ends with this one, and the channel to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-u", "-P", str(_SERVER), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith(("TENURE_", "KUBE"))},
            process_group=0,
            preexec_fn=dies_with_parent(),  # noqa: PLW1509  (see `Process.start`)
        )
    return ours, server


def run(
    command: Sequence[str], environment: Mapping[str, str], *, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without a terminal."""
    if not is_forked(command):
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        process = fork(command, environment, output.fileno(), errors.fileno())
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, code, output.read(), errors.read())
