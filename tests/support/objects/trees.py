"""Folders of manifests, and what `tenure impact` says of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tenure.cli import app
from tenure.impact.errors import BadInputError


@dataclass(frozen=True)
class Said:
    """The exit code of the command, and its output or its error."""

    code: int
    text: str

    @property
    def document(self) -> dict[str, Any]:
        """The output as JSON."""
        found: dict[str, Any] = json.loads(self.text)
        return found


def fill(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make a folder with these files."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def impact(base: Path | str, head: Path | str, *options: str) -> Said:
    """What the command says of two trees."""
    result = CliRunner().invoke(app, ["impact", "--base", str(base), "--head", str(head), *options])
    if isinstance(result.exception, BadInputError):
        return Said(1, str(result.exception))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.output)
