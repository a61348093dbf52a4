"""The command line and environment with which the tools start the operator from the checkout."""

import os
import sys
from pathlib import Path

from tenure_dev.bytecode import keep_bytecode

COMMAND = (sys.executable, "-m", "tenure", "run")

TOOL_VARIABLES = (
    *("TENURE_CACHE", "TENURE_CONTROL_PLANE", "TENURE_IMAGE_", "TENURE_NODE", "TENURE_TEST_"),
    *("TENURE_POST", "TENURE_SCREENSHOTS"),
)
"""What variables of these tools and of the tests begin with. The operator never gets them, because it rejects unknown
settings."""

READY_LINE = "Tenure is ready"
"""Log line of the operator once it is ready."""


def environment(kubeconfig: Path) -> dict[str, str]:
    """Return the environment for an operator in the cluster of `kubeconfig`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(TOOL_VARIABLES)}
    return {**keep_bytecode(inherited), "KUBECONFIG": str(kubeconfig), "PYTHONUNBUFFERED": "1"}
