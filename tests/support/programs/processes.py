"""Which processes are left."""

from pathlib import Path

import psutil


def running_in(folder: Path) -> dict[str, int]:
    """Return name and process id of each living process that the folder's path appears in an argument of."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        program, *arguments = process.info["cmdline"] or [""]
        if any(str(folder) in argument for argument in arguments):
            found[Path(program).name] = process.pid
    return found
