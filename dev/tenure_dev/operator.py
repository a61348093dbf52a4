"""The command line and environment with which the tools start the operator from the checkout."""

import os
import sys
from pathlib import Path

from tenure_dev.bytecode import keep_bytecode

COMMAND = (sys.executable, "-m", "tenure", "run")

READY_LINE = "Tenure is ready"
"""Log line of the operator once it is ready."""


def environment(kubeconfig: Path) -> dict[str, str]:
    """Return the environment for an operator in the cluster of `kubeconfig`.

    It lacks `TENURE_CACHE`, which is a variable of these tools, because the operator rejects unknown settings.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "TENURE_CACHE"}
    return {**keep_bytecode(inherited), "KUBECONFIG": str(kubeconfig), "PYTHONUNBUFFERED": "1"}
