"""A process with a line of its code changed: to see what it is for, or to have a long time pass in a short one."""

import sys
from collections.abc import Sequence

from tenure_dev import mail, operator, webhooks

_MAIN = """
from tenure.cli import main
main()
"""

EVERYBODY_IS_NEW = """
from datetime import timedelta
from tenure.domain.invitations import state
state.ARRIVAL = timedelta(hours=-1)
"""
"""Nobody counts as one of an organization's first members, who come within ten minutes of it."""


def altered(port: int, change: str) -> tuple[str, ...]:
    """The command line of a webhook process that runs some code first."""
    return _altered(webhooks.command(port), change)


def altered_operator(change: str) -> tuple[str, ...]:
    """The command line of an operator that runs some code first."""
    return _altered(operator.COMMAND, change)


def altered_mail(change: str) -> tuple[str, ...]:
    """The command line of a mail process that runs some code first."""
    return _altered(mail.COMMAND, change)


def _altered(command: Sequence[str], change: str) -> tuple[str, ...]:
    python_dash_m_tenure = 3
    return (sys.executable, "-c", change + _MAIN, *command[python_dash_m_tenure:])
