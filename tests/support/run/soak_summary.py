"""What `make soak` leaves behind: a table for people and the same for programs."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

_FOLDER = Path(".cache") / "soak"


@dataclass(frozen=True)
class Line:
    """One test."""

    test: str
    outcome: str
    seconds: float
    figures: tuple[str, ...]


def write(root: Path, lines: Sequence[Line], *, began: datetime, slowness: float) -> Path:
    """Write both files, named by the time, and return the table's path."""
    folder = root / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{began:%Y-%m-%dT%H%M%SZ}.md"
    run = {
        "date": f"{began:%Y-%m-%d}",
        "commit": _commit(root),
        "minutes": round((datetime.now(UTC) - began).total_seconds() / 60),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "slowness": round(slowness, 1),
    }
    path.with_suffix(".json").write_text(json.dumps({**run, "tests": [asdict(line) for line in lines]}, indent=2))
    head = ", ".join(f"{name} {value}" for name, value in run.items())
    path.write_text(
        "\n".join([head, "", "| Test | Result | Took | Figures |", "| --- | --- | --- | --- |", *map(_row, lines), ""])
    )
    return path


def _row(line: Line) -> str:
    figures = "<br>".join(line.figures).replace("|", "\\|")
    return f"| `{line.test}` | {line.outcome} | {line.seconds:.0f} s | {figures} |"


def _commit(root: Path) -> str:
    command = ("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
