"""The command lines with which the tools start the console, on the loopback and behind a login."""

import re
import sys
from pathlib import Path

READY_LINE = "Tenure is ready: console"
"""Log line of the console behind a login once it listens."""


LOCAL_READY_LINE = "Ctrl-C ends the console"
"""What a person's own console prints once it listens."""

_ADDRESS = re.compile(r"^Open (http://127\.0\.0\.1:\d+/[\w-]+/)$", re.MULTILINE)


def printed_address(log: Path) -> str | None:
    """Return the address that a person's own console printed at its latest start, or None if it didn't start."""
    found = _ADDRESS.findall(log.read_text(errors="replace")) if log.exists() else []
    return found[-1] if found else None


def local_command(port: int) -> tuple[str, ...]:
    """Return the command line of a person's own console on a port of the loopback."""
    return (sys.executable, "-m", "tenure", "console", f"--port={port}")


def server_command(port: int, url: str) -> tuple[str, ...]:
    """Return the command line of a console behind a login, which people reach by a URL."""
    server = (f"--console-url={url}", "--console-host=127.0.0.1", f"--console-port={port}")
    return (sys.executable, "-m", "tenure", "console-server", *server)
