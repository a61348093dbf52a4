"""Run a supervisor in the background that belongs to one folder, for `make up` and its like."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tenure_dev.errors import ToolError
from tenure_dev.processes import wait_until

STOPPED_WITHIN = 30.0
"""Seconds after which a supervisor that doesn't stop is killed."""


class Background:
    """What runs in the background for one folder, whether it runs or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "supervisor.log"
        self.ready = folder / "ready"
        """The supervisor creates this file once everything works."""
        self._pid = folder / "supervisor.pid"
        # The supervisor has this lock as long as it lives. The kernel releases the lock even if it is killed.
        self._lock_file = folder.with_name(folder.name + ".lock")

    def start(self, command: Sequence[str], *, within: float) -> bool:
        """Start the supervisor, a command of these tools, and return True once it is ready, or False if it ran already.

        Raises `ToolError` with the last lines of the log if it isn't ready after `within` seconds.
        """
        with self._lock() as lock:
            if lock is None:
                if not wait_until(self.ready.exists, within=within):
                    raise ToolError(f"Another run started it, but it isn't ready yet. See {self.log}")
                return False
            shutil.rmtree(self.folder, ignore_errors=True)  # It may have the process id of a killed supervisor.
            self.folder.mkdir(parents=True)
            supervisor = self._start_supervisor(lock, command)
        wait_until(lambda: self.ready.exists() or supervisor.poll() is not None, within=within)
        if not self.ready.exists():
            supervisor.terminate()
            supervisor.wait()
            raise ToolError(f"It didn't start. The last lines of {self.log}:\n{_tail(self.log)}")
        return True

    def down(self) -> bool:
        """Stop everything and remove the folder. Return False if nothing was running."""
        with self._lock() as lock:
            if lock is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
                return False
        if not self._pid.exists():
            raise ToolError("`up` is just starting in another terminal. Stop it there with Ctrl-C")
        pid = int(self._pid.read_text())
        os.kill(pid, signal.SIGTERM)
        if not wait_until(self._is_free, within=STOPPED_WITHIN):
            os.kill(pid, signal.SIGKILL)
            wait_until(self._is_free, within=STOPPED_WITHIN)
        shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def _start_supervisor(self, lock: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "tenure_dev", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # It survives the terminal,
                pass_fds=(lock,),  # and the lock lives as long as it does.
            )
        self._pid.write_text(str(supervisor.pid))
        return supervisor

    @contextmanager
    def _lock(self) -> Iterator[int | None]:
        """Take the lock while the block runs.

        The block gets the descriptor of the lock file, or None if another process has the lock.
        """
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock_file.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield file.fileno()

    def _is_free(self) -> bool:
        with self._lock() as lock:
            return lock is not None


def exit_on_sigterm() -> None:
    """Let SIGTERM end this process through its cleanup, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    del number, frame
    sys.exit(0)


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-20:])
