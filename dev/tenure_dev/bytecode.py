"""Compiled modules for the processes that these tools start."""

from collections.abc import Mapping

from tenure_dev.paths import CHECKOUT

FOLDER = CHECKOUT / ".cache" / "bytecode"


def keep_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with a place for compiled modules, if it asks Python to write none.

    With `PYTHONDONTWRITEBYTECODE`, which containers often set, each process would compile all that it imports: more
    than half of the time that it takes to start. Sources stay without compiled modules beside them, as was asked for.
    """
    if not environment.get("PYTHONDONTWRITEBYTECODE"):
        return dict(environment)
    return {**environment, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(FOLDER)}
