"""`kubectl tenure` as people run it: by the real kubectl, with a kubeconfig of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.api.client import Client
from support.cluster import people
from support.cluster.world import World, fresh_world
from support.programs.forks import run
from support.programs.judged import Judged
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.kubectl.cli import main
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

PATIENCE = 60.0


@dataclass(frozen=True)
class Person:
    """Somebody who runs kubectl in the organization's namespace."""

    plane: ControlPlane
    kubeconfig: Path
    folder: Path

    def run(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl, which finds the command on PATH; it must end with this exit code."""
        kubectl = self.plane.binaries.kubectl
        path = f"{CHECKOUT / '.venv' / 'bin'}{os.pathsep}{kubectl.parent}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(
            [str(kubectl), *args],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=NEVER,
            cwd=self.folder,
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def tenure(self, *args: str, code: int = 0, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run `kubectl tenure` within this process, which is as good as by kubectl, and takes a tenth of the time."""
        out, err = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setenv("KUBECONFIG", str(self.kubeconfig))
            patch.setattr(sys, "argv", ["kubectl-tenure", *args])
            patch.setattr(sys, "stdin", StringIO(text))
            with pytest.raises(SystemExit) as ended:
                main()
        done = subprocess.CompletedProcess([*args], int(ended.value.code or 0), out.getvalue(), err.getvalue())
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def live_impact(self, before: Path, after: Path) -> Any:
        """What `tenure impact --live` says, as JSON."""
        command = [
            sys.executable,
            "-m",
            "tenure",
            "impact",
            "--live",
            f"--base={before}",
            f"--head={after}",
            "--output=json",
        ]
        done = run(command, {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig)})
        assert done.returncode in (0, 2), done.stderr
        return json.loads(done.stdout)


def person(plane: ControlPlane, namespace: str, folder: Path, user: str = "") -> Person:
    """Give somebody a kubeconfig whose context has the namespace; an administrator, unless `user` is somebody else."""
    document: Any = yaml.safe_load(plane.kubeconfig.read_text())
    document["contexts"][0]["context"]["namespace"] = namespace
    if user:
        document["users"][0]["user"] |= {"as": user, "as-groups": ["system:authenticated"]}
    path = folder / f"{user.partition('@')[0] or 'root'}.kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return Person(plane, path, folder)


def settle(world: World, member: str, keys: int) -> None:
    """Wait until a member's keys are counted, which the operator does after it has issued them."""

    def counted() -> bool:
        return bool(world.member(member)["status"].get("keyCount") == keys)

    eventually(counted, within=PATIENCE, describe=f"{member} has {keys} keys")


def member_of(judged: Judged, world: World, folder: Path, name: str, role: str) -> Person:
    """Give a member the ClusterRole of a role, as Tenure does with Kubernetes access."""
    user = f"{name}@acme.io"
    binding = {
        "apiVersion": f"{people.RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"test-{name}"},
        "roleRef": {"apiGroup": people.RBAC, "kind": "ClusterRole", "name": f"tenure-{role.lower()}"},
        "subjects": [people.subject(user)],
    }
    world.api.create("rolebindings", binding)
    assert isinstance(world.api, Client)
    people.wait_permitted(world.api, user, "list", "apikeys", name="")
    return person(judged.plane, world.api.namespace, folder, user)


SAMPLES = CHECKOUT / "manifests" / "samples"
MEMBERS = {"alice": 2, "anna": 1, "bob": 1, "ci": 1, "olga": 1}
KEYS = ("olga-admin", "ci-deploy", "laptop", "cost-report", "bob-cli", "pipeline")


@contextmanager
def sample_world(judged: Judged) -> Iterator[World]:
    """Give the organization of the samples with its members and keys, in a namespace of its own."""
    with fresh_world(judged.plane) as world:
        for file in ("10-organization.yaml", "20-members.yaml", "30-keys.yaml"):
            text = (SAMPLES / file).read_text().replace("namespace: acme", f"namespace: {world.api.namespace}")
            judged.plane.kubectl("create", "--filename=-", input=text)
        world.issue(*KEYS, within=PATIENCE)
        for name, keys in MEMBERS.items():
            settle(world, name, keys)
        yield world
