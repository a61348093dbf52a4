"""Mailpit: a real mail server that keeps what it gets, with an API, for `make up MAIL=1` and `make e2e-mail`.

Its Go module has no web page, because that is built with Node. But it shows each message as a mail program does, below
`/view/`.
"""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenure_dev.build import built
from tenure_dev.controlplane import free_ports
from tenure_dev.gomodule import GoModule
from tenure_dev.paths import MAILPIT_MODULE
from tenure_dev.processes import Process, wait_until

MAILPIT = GoModule(
    name="Mailpit",
    source=MAILPIT_MODULE,
    store="mailpit",
    programs={"mailpit": "github.com/axllent/mailpit"},
    named_after="github.com/axllent/mailpit",
    core_minutes=2,
)

_READY_WITHIN = 60.0
_ANSWERS_WITHIN = 10.0


@dataclass(frozen=True)
class Mailpit:
    """A running Mailpit."""

    process: Process
    smtp_port: int
    url: str
    """Address of its API and of the messages."""

    @property
    def latest(self) -> str:
        """Address of the newest message, as a mail program shows it."""
        return f"{self.url}/view/latest.html"

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator["Mailpit"]:
        """Build Mailpit if it isn't built yet, and run it on free ports of the loopback while the block runs."""
        smtp_port, port = free_ports(2)
        command = (
            str(built(MAILPIT) / "mailpit"),
            f"--smtp=127.0.0.1:{smtp_port}",
            f"--listen=127.0.0.1:{port}",
            "--disable-version-check",
            "--block-remote-css-and-fonts",
        )
        mailpit = cls(Process("mailpit", command, log=folder / "mailpit.log"), smtp_port, f"http://127.0.0.1:{port}")
        mailpit.process.start()
        try:
            wait_until(mailpit.answers, within=_READY_WITHIN)
            yield mailpit
        finally:
            mailpit.process.stop()

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            self.read("info")
        except OSError:
            return False
        return True

    def read(self, path: str) -> Any:
        """Return an answer of its API, for example `messages`."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=_ANSWERS_WITHIN) as answer:  # noqa: S310 - ours
            return json.load(answer)
