"""How the operator is started from the checkout."""

import os
import sys
from pathlib import Path

from tenure_dev.bytecode import keep_bytecode

COMMAND = (sys.executable, "-m", "tenure", "run")

READY_LINE = "Tenure is ready"
"""What it logs once it serves."""


def environment(kubeconfig: Path) -> dict[str, str]:
    """Return the environment for an operator that serves the cluster of `kubeconfig`.

    `TENURE_CACHE` is these tools' own, and the operator refuses settings that it doesn't know.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "TENURE_CACHE"}
    return {**keep_bytecode(inherited), "KUBECONFIG": str(kubeconfig), "PYTHONUNBUFFERED": "1"}
