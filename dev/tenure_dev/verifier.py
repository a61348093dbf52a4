"""The verifier on loopback."""

import sys

READY_LINE = "Tenure is ready: serving the verifier"
"""What it logs once what it knows is complete and proved."""


def command(port: int) -> tuple[str, ...]:
    """Return the command line of a verifier on a port of the loopback."""
    return (
        *(sys.executable, "-m", "tenure", "verifier"),
        *("--verifier-host", "127.0.0.1", "--verifier-port", str(port)),
    )
