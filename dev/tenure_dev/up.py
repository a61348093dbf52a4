"""Run a control plane with Tenure in the background, for `make up` and `make down`."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tenure_dev.binaries import Binaries
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.errors import ToolError
from tenure_dev.paths import CRDS
from tenure_dev.processes import wait_until
from tenure_dev.tenure import Tenure

URL_FILE = "verifier-url"
READY_WITHIN = 120.0
"""Seconds that everything together may take to become ready."""
STOPPED_WITHIN = 30.0
"""Seconds after which a supervisor that doesn't stop is killed."""


class Background:
    """The control plane and Tenure of one folder, whether they run or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.log = folder / "supervisor.log"
        self._ready = folder / "ready"
        self._url = folder / URL_FILE
        self._pid = folder / "supervisor.pid"
        # The supervisor has this lock as long as it lives. The kernel releases the lock even if it is killed.
        self._lock_file = folder.with_name(folder.name + ".lock")

    def up(self, *, with_operator: bool = True) -> bool:
        """Start everything and return True once it is ready, or return False if it was running already.

        Without the operator, only the control plane is started and the CRDs are applied. Raises `ToolError` with the
        last lines of the log.
        """
        with self._lock() as lock:
            if lock is None:
                if not wait_until(self._ready.exists, within=READY_WITHIN):
                    raise ToolError(f"Another run is starting it, and it isn't ready yet; see {self.log}")
                return False
            shutil.rmtree(self.folder, ignore_errors=True)  # It may have the process id of a killed supervisor.
            find_or_build()
            self.folder.mkdir(parents=True)
            supervisor = self._start_supervisor(lock, with_operator=with_operator)
        wait_until(lambda: self._ready.exists() or supervisor.poll() is not None, within=READY_WITHIN)
        if not self._ready.exists():
            supervisor.terminate()
            supervisor.wait()
            raise ToolError(f"It didn't come up. The end of {self.log}:\n{_tail(self.log)}")
        return True

    @property
    def verifier_url(self) -> str | None:
        """URL of the verifier, or None if Tenure doesn't run."""
        return self._url.read_text() if self._url.exists() else None

    def down(self) -> bool:
        """Stop everything and remove the folder. Return False if nothing was running."""
        with self._lock() as lock:
            if lock is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
                return False
        if not self._pid.exists():
            raise ToolError("`up` has only just begun, in another terminal: stop it there with Ctrl-C")
        pid = int(self._pid.read_text())
        os.kill(pid, signal.SIGTERM)
        if not wait_until(self._is_free, within=STOPPED_WITHIN):
            os.kill(pid, signal.SIGKILL)
            wait_until(self._is_free, within=STOPPED_WITHIN)
        shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def supervise(self, *, with_operator: bool) -> None:
        """Run everything until SIGTERM. If this process is killed, the kernel kills its children."""
        signal.signal(signal.SIGTERM, _exit)
        with (
            ControlPlane.start(find_or_build(), self.folder, crds=CRDS) as plane,
            _running_tenure(plane, wanted=with_operator) as tenure,
        ):
            self._ready.touch()
            while True:
                plane.check()
                if tenure is not None:
                    tenure.revive()
                time.sleep(1)

    def _start_supervisor(self, lock: int, *, with_operator: bool) -> subprocess.Popen[bytes]:
        choice = "--operator" if with_operator else "--no-operator"
        with self.log.open("wb") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "tenure_dev", "supervise", f"--folder={self.folder}", choice],
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


@contextmanager
def _running_tenure(plane: ControlPlane, *, wanted: bool) -> Iterator[Tenure | None]:
    if not wanted:
        yield None
        return
    tenure = Tenure.install(plane, plane.folder)
    try:
        tenure.start()
        (plane.folder / URL_FILE).write_text(tenure.url)
        yield tenure
    finally:
        tenure.stop()


def kubectl_hint(binaries: Binaries) -> str | None:
    """Return the command that adds kubectl to PATH, or None if PATH has one already."""
    return None if shutil.which("kubectl") else f'export PATH="$PATH:{binaries.folder}"'


def _exit(number: int, frame: FrameType | None) -> None:
    del number, frame
    sys.exit(0)


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-20:])
