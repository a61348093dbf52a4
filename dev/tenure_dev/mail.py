"""The command line with which the tools start the mail process."""

import sys

from tenure_dev.webhooks import NAMESPACE

READY_LINE = "Tenure is ready: mail"
"""Log line of the mail process once its first lists are complete."""

COMMAND = (sys.executable, "-m", "tenure", "mail", "--system-namespace", NAMESPACE)
