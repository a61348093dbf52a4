"""Run a control plane with Tenure in the background, for `make up` and `make down`."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenure_dev.background import Background, exit_on_sigterm
from tenure_dev.binaries import Binaries
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS
from tenure_dev.tenure import Tenure

URL_FILE = "verifier-url"
READY_WITHIN = 120.0
"""Seconds that everything together may take to become ready."""


class Up(Background):
    """The control plane and Tenure of one folder, whether they run or not."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    def up(self, *, with_operator: bool = True) -> bool:
        """Start everything and return True once it is ready, or return False if it was running already.

        Without the operator, only the control plane is started and the CRDs are applied. Raises `ToolError` with the
        last lines of the log.
        """
        find_or_build()
        choice = "--operator" if with_operator else "--no-operator"
        return self.start(["supervise", f"--folder={self.folder}", choice], within=READY_WITHIN)

    @property
    def verifier_url(self) -> str | None:
        """URL of the verifier, or None if Tenure doesn't run."""
        file = self.folder / URL_FILE
        return file.read_text() if file.exists() else None

    def supervise(self, *, with_operator: bool) -> None:
        """Run everything until SIGTERM. If this process is killed, the kernel kills its children."""
        exit_on_sigterm()
        with (
            ControlPlane.start(find_or_build(), self.folder, crds=CRDS) as plane,
            _running_tenure(plane, wanted=with_operator) as tenure,
        ):
            self.ready.touch()
            while True:
                plane.check()
                if tenure is not None:
                    tenure.revive()
                time.sleep(1)


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
