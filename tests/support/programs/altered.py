"""A webhook process with a line of its code changed, to see what the line is for."""

import sys

from tenure_dev import webhooks

_MAIN = """
from tenure.cli import main
main()
"""


def altered(port: int, change: str) -> tuple[str, ...]:
    """The command line of a webhook process that runs some code first."""
    python_dash_m_tenure = 3
    return (sys.executable, "-c", change + _MAIN, *webhooks.command(port)[python_dash_m_tenure:])
