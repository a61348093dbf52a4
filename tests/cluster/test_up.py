"""`make up` and `make down`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs.processes import running_in
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure_dev.build import find_or_build
from tenure_dev.kubectl import Kubectl

PROGRAMS = {"etcd", "kube-apiserver", "kube-controller-manager"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "up"
    tool("down", tmp_path / "up")


def tool(command: str, folder: Path, *args: str) -> list[str]:
    """Run the tool in a session of its own, as a terminal that is closed afterwards would."""
    arguments = [sys.executable, "-m", "tenure_dev", command, f"--folder={folder}", *args]
    result = subprocess.run(
        arguments, capture_output=True, text=True, check=True, timeout=NEVER, start_new_session=True
    )
    return result.stdout.splitlines()


def test_up_serves_until_down(folder: Path) -> None:
    lines = tool("up", folder, "--no-operator")

    assert f"export KUBECONFIG={folder}/kubeconfig" in lines
    assert running_in(folder).keys() >= PROGRAMS
    kubectl = Kubectl(find_or_build().kubectl, folder / "kubeconfig", folder)
    assert "No resources found" in kubectl("get", "tenure", "--all-namespaces").stderr
    assert "already running" in tool("up", folder, "--no-operator")[0]

    assert tool("down", folder) == ["Stopped."]

    assert not running_in(folder)
    assert not folder.exists()
    assert tool("down", folder) == ["Nothing was running."]


def test_a_killed_supervisor_leaves_nothing_behind(folder: Path) -> None:
    tool("up", folder, "--no-operator")

    os.kill(int((folder / "supervisor.pid").read_text()), signal.SIGKILL)

    eventually(lambda: not running_in(folder), within=5, describe="everything is gone")
    assert tool("up", folder, "--no-operator")[0].startswith("# Tenure is up")
