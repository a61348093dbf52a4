"""A start that is refused: what the operator says, and how it ends."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.programs.forks import run
from tenure_dev.operator import COMMAND, environment

REFUSED, USAGE = 1, 2
"""Exit codes: the cluster or its configuration isn't as it must be; the command line isn't."""


def refused_start(
    kubeconfig: Path | None,
    *args: str,
    code: int = REFUSED,
    env: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
) -> str:
    """Start an operator, or what `command` says, that must refuse; return its one line on standard error.

    Of usage errors it is the last line.
    """
    settings = {**environment(Path(os.devnull)), "KUBECONFIG": str(kubeconfig or ""), **(env or {})}
    done = run([*command, *args], settings)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stderr}"
    assert done.stdout == ""
    assert "Traceback" not in done.stderr, done.stderr
    *before, last = done.stderr.splitlines()
    if code == REFUSED:
        assert before == [], done.stderr
        assert last.startswith("tenure: "), done.stderr
    return last
