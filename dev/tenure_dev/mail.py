"""The command lines with which the tools start the mail process, and an operator for people who try invitations out."""

import base64
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from tenure_dev.webhooks import NAMESPACE

READY_LINE = "Tenure is ready: mail"
"""Log line of the mail process once its first lists are complete."""

COMMAND = (sys.executable, "-m", "tenure", "mail", "--system-namespace", NAMESPACE)

SENDER = "Tenure <tenure@acme.io>"

_AT_ONCE = """
from datetime import timedelta
from tenure.domain.invitations import state
state.ARRIVAL = timedelta(seconds=-1)
from tenure.cli import main
main()
"""


def at_once(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command line of Tenure to which an organization's first members are only those who came before.

    Otherwise everyone who comes within ten minutes of their organization counts as accepted, and a person who tries
    invitations out would wait for that long.
    """
    python, _module, _tenure, *arguments = command
    return (python, "-c", _AT_ONCE, *arguments)


def command(folder: Path, *, page_port: int, smtp_port: int) -> tuple[str, ...]:
    """Return the command line of a mail process that sends to the loopback, with a new signing key in a folder."""
    keys = folder / "signing"
    keys.mkdir(exist_ok=True)
    (keys / "key").write_bytes(base64.b64encode(secrets.token_bytes(32)))
    return (
        *at_once(COMMAND),
        *("--page-host=127.0.0.1", f"--page-port={page_port}", f"--base-url=http://127.0.0.1:{page_port}"),
        *(f"--signing-keys={keys}", f"--mail-from={SENDER}"),
        # A server on this machine, which has no certificate.
        *("--smtp-host=127.0.0.1", f"--smtp-server-port={smtp_port}", "--smtp-security=None"),
    )
