"""The command line with which the tools start a verifier on loopback."""

import sys

READY_LINE = "Tenure is ready: serving the verifier"
"""Log line of the verifier once its index is complete and proved fresh."""


def command(port: int) -> tuple[str, ...]:
    """Return the command line of a verifier on a port of the loopback."""
    return (
        *(sys.executable, "-m", "tenure", "verifier"),
        *("--verifier-host", "127.0.0.1", "--verifier-port", str(port)),
    )
