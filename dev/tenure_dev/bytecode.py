"""Keep the compiled Python modules of the processes that these tools start."""

import os
import sys
from collections.abc import Mapping

from tenure_dev.paths import CHECKOUT

FOLDER = CHECKOUT / ".cache" / "bytecode"
"""Folder of the compiled modules."""


def keep_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with a folder for compiled modules, if `PYTHONDONTWRITEBYTECODE` is set.

    With this variable, which containers often set, each process would compile all modules that it imports. That takes
    more than half of its start. There are still no compiled modules beside the sources, as the variable asks.
    """
    if not environment.get("PYTHONDONTWRITEBYTECODE"):
        return dict(environment)
    return {**environment, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(FOLDER)}


def keep_own_bytecode() -> None:
    """Do the same for what this process imports from now on, and for the processes that it starts."""
    kept = keep_bytecode(os.environ)
    if kept != os.environ:
        os.environ.update(kept)
        sys.dont_write_bytecode = False
        sys.pycache_prefix = kept["PYTHONPYCACHEPREFIX"]
