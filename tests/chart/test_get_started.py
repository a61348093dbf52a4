"""The page "Get started" does what it says, line by line, on what `make up` starts."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure_dev.build import find_or_build
from tenure_dev.paths import CHECKOUT

PAGE = CHECKOUT / "docs" / "get-started.md"
ACCESS_PAGE = CHECKOUT / "docs" / "kubernetes-access.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tool(command: str, folder: Path) -> str:
    arguments = [sys.executable, "-m", "tenure_dev", command, f"--folder={folder}"]
    return subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=NEVER).stdout


class Shell:
    """One shell for the whole page, as its reader has."""

    def __init__(self, exports: dict[str, str]) -> None:
        path = f"{find_or_build().folder}{os.pathsep}{os.environ['PATH']}"
        self._environment = os.environ | exports | {"PATH": path}
        self._said = "set -u\n"

    def __call__(self, block: str) -> str:
        """Run a block and return what it printed; variables that an earlier block has set are there."""
        script = f"{self._said}{block} 2>&1"
        result = subprocess.run(
            ["bash", "-c", script], cwd=CHECKOUT, env=self._environment, capture_output=True, text=True, check=False
        )
        self._said += "".join(line + "\n" for line in block.splitlines() if re.match(r"[A-Z]+=", line))
        return result.stdout + result.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    folder = tmp_path / "up"
    try:
        yield Shell(dict(re.findall(r"^export (\w+)=(.*)$", tool("up", folder), re.MULTILINE)))
    finally:
        tool("down", folder)


def test_the_page_does_what_it_says(shell: Shell) -> None:
    demo, up, apply, use, ask, change, look, remove = _BLOCK.findall(PAGE.read_text())
    assert (demo, up) == ("make demo\n", "make up\n")

    applied = shell(apply)
    assert applied.count("condition met") == 6
    assert "organization.tenure.dev/acme" in applied
    assert "HTTP/1.1 200" in shell(use)
    access, *_ = _BLOCK.findall(ACCESS_PAGE.read_text())
    can_i, read = access.splitlines()
    eventually(lambda: "tenure.dev/api-key" in shell(read), within=30, describe="alice reads her own key's Secret")
    assert "Forbidden" in shell(read.replace("alice@", "bob@"))
    answers = [shell(can_i.replace("alice@", f"{who}@")).splitlines()[-1] for who in ("alice", "olga")]
    assert answers == ["no", "yes"]
    assert "denied the request: spec.role: Member -> Viewer would revoke 2 API keys" in shell(ask)
    changed = shell(change)
    assert "membership.tenure.dev/alice patched" in changed
    assert "HTTP/1.1 401" in changed
    assert '"RoleChanged"' in changed
    eventually(lambda: "laptop " not in shell(look), within=30, describe="her ApiKey is gone")
    assert '"fate":"Deleted"' in shell(look)
    assert "olga is the only Owner" in shell(remove)
