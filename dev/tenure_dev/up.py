"""Run a control plane with Tenure in the background, for `make up` and `make down`."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenure_dev.background import Background, exit_on_sigterm
from tenure_dev.binaries import Binaries
from tenure_dev.build import built, find_or_build
from tenure_dev.console import printed_address
from tenure_dev.controlplane import ControlPlane
from tenure_dev.mailpit import MAILPIT, Mailpit
from tenure_dev.paths import CRDS
from tenure_dev.tenure import Tenure

URL_FILE = "verifier-url"
LETTER_FILE = "letter-url"
MAIL_FILE = "mail-url"
READY_WITHIN = 120.0
"""Seconds that everything together may take to become ready."""


class Up(Background):
    """The control plane and Tenure of one folder, whether they run or not."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    def up(self, *, with_operator: bool = True, with_mail: bool = False) -> bool:
        """Start everything and return True once it is ready, or return False if it was running already.

        Without the operator, only the control plane is started and the CRDs are applied. With mail, a mail server and
        the mail process are started too. Raises `ToolError` with the last lines of the log.
        """
        find_or_build()
        if with_mail:
            built(MAILPIT)
        choices = ["--operator" if with_operator else "--no-operator", "--mail" if with_mail else "--no-mail"]
        return self.start(["supervise", f"--folder={self.folder}", *choices], within=READY_WITHIN)

    @property
    def verifier_url(self) -> str | None:
        """URL of the verifier, or None if Tenure doesn't run."""
        return self._url(URL_FILE)

    @property
    def letter_url(self) -> str | None:
        """URL of the newest letter at the mail server, or None if there is no mail server."""
        return self._url(LETTER_FILE)

    @property
    def mail_url(self) -> str | None:
        """URL of the mail process, or None if it doesn't run."""
        return self._url(MAIL_FILE)

    @property
    def console_url(self) -> str | None:
        """Address of the administrator's console, or None if it doesn't run. Another start gives it another one."""
        return printed_address(self.folder / "console.log")

    def _url(self, name: str) -> str | None:
        file = self.folder / name
        return file.read_text() if file.exists() else None

    def supervise(self, *, with_operator: bool, with_mail: bool) -> None:
        """Run everything until SIGTERM. If this process is killed, the kernel kills its children."""
        exit_on_sigterm()
        with (
            ControlPlane.start(find_or_build(), self.folder, crds=CRDS) as plane,
            _running_mailpit(plane, wanted=with_mail) as mailpit,
            _running_tenure(plane, mailpit, wanted=with_operator) as tenure,
        ):
            self.ready.touch()
            while True:
                plane.check()
                if tenure is not None:
                    tenure.revive()
                time.sleep(1)


@contextmanager
def _running_mailpit(plane: ControlPlane, *, wanted: bool) -> Iterator[Mailpit | None]:
    if not wanted:
        yield None
        return
    with Mailpit.running(plane.folder) as mailpit:
        (plane.folder / LETTER_FILE).write_text(mailpit.latest)
        yield mailpit


@contextmanager
def _running_tenure(plane: ControlPlane, mailpit: Mailpit | None, *, wanted: bool) -> Iterator[Tenure | None]:
    if not wanted:
        yield None
        return
    tenure = Tenure.install(
        plane, plane.folder, smtp_port=None if mailpit is None else mailpit.smtp_port, with_console=True
    )
    try:
        tenure.start()
        (plane.folder / URL_FILE).write_text(tenure.url)
        if tenure.mail_url is not None:
            (plane.folder / MAIL_FILE).write_text(tenure.mail_url)
        yield tenure
    finally:
        tenure.stop()


def kubectl_hint(binaries: Binaries) -> str | None:
    """Return the command that adds kubectl to PATH, or None if PATH has one already."""
    return None if shutil.which("kubectl") else f'export PATH="$PATH:{binaries.folder}"'
