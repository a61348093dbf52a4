"""A control plane with Tenure in the background, for trying things out: `make up` and `make down`."""

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
"""Seconds for everything together."""
STOPPED_WITHIN = 30.0
"""Seconds after which a supervisor that doesn't stop is killed."""


class Background:
    """What runs, or doesn't, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.log = folder / "supervisor.log"
        self._ready = folder / "ready"
        self._url = folder / URL_FILE
        self._pid = folder / "supervisor.pid"
        # Held by the supervisor as long as it lives, whatever ends it.
        self._lock_file = folder.with_name(folder.name + ".lock")

    def up(self, *, with_operator: bool = True) -> bool:
        """Start everything and return once it is ready; False if it was running already.

        Without the operator only the control plane and the CRDs. Raises `ToolError` with the log's last lines.
        """
        with self._lock() as lock:
            if lock is None:
                if not wait_until(self._ready.exists, within=READY_WITHIN):
                    raise ToolError(f"Another run is starting it, and it isn't ready yet; see {self.log}")
                return False
            shutil.rmtree(self.folder, ignore_errors=True)  # With the process id that a killed supervisor left.
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
        """Where tokens are verified; None where Tenure doesn't run."""
        return self._url.read_text() if self._url.exists() else None

    def down(self) -> bool:
        """Stop everything and remove the folder; False if nothing was running."""
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
        """Run everything until SIGTERM; if this process is killed, the kernel ends its children."""
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
        """Give the descriptor of the lock, held by this process now; None if somebody else holds it."""
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
    """Return the command that puts kubectl on PATH; None if there is one already."""
    return None if shutil.which("kubectl") else f'export PATH="$PATH:{binaries.folder}"'


def _exit(number: int, frame: FrameType | None) -> None:
    del number, frame
    sys.exit(0)


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-20:])
