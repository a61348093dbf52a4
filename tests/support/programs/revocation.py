"""`tenure revoke` as people run it, with a kubeconfig of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests

from support.api.client import Client
from support.cluster import people
from support.cluster.world import World
from support.objects.manifests import role_binding
from support.programs.forks import run
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import format_time
from tenure_dev import kubeconfig
from tenure_dev.controlplane import ControlPlane


@dataclass(frozen=True)
class Caller:
    """Somebody who runs the command."""

    kubeconfig: Path

    def command(self, *args: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "tenure", "revoke", *args]

    @property
    def environment(self) -> dict[str, str]:
        """All that the command gets to know of its surroundings."""
        return {"PATH": os.environ["PATH"], "KUBECONFIG": str(self.kubeconfig), "TERM": "xterm"}

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start it, without a terminal."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.command(*args), env=self.environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it, without a terminal; it must end with this exit code."""
        done = run(self.command(*args), self.environment)
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def refused(self, *args: str, code: int = 1) -> str:
        """Run it where it must end nothing, and return the sentence that says why."""
        result = self.run(*args, code=code)
        assert result.stdout == ""
        return result.stderr

    def results(self, *args: str, code: int = 0) -> dict[str, str | None]:
        """Run it, and return what became of each key, by name."""
        document = json.loads(self.run(*args, "--output=json", code=code).stdout)
        return {key["name"]: key["result"] for key in document["keys"]}


def caller(plane: ControlPlane, namespace: str, role: str, folder: Path) -> Caller:
    """Somebody with a role's ClusterRole in a namespace; a ServiceAccount, since these have tokens."""
    name = f"{namespace}-{role}".lower()
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    binding = role_binding(name)
    reference = {**binding["roleRef"], "name": f"tenure-{role.lower()}"}
    user = f"system:serviceaccount:{namespace}:{name}"
    with closing(Client(plane, namespace)) as client:
        client.service_account(name)
        client.create("rolebindings", {**binding, "roleRef": reference, "subjects": [subject]})
        people.wait_permitted(client, user, "revoke" if role == "Owner" else "list", "apikeys", name="")
        token = client.service_token(name)
    path = folder / f"{name}.kubeconfig"
    return Caller(kubeconfig.write(path, plane.server, authority=plane.certificate_authority, token=token))


def server_time(plane: ControlPlane) -> datetime:
    """The API server's clock, which tells whole seconds."""
    answer = requests.get(f"{plane.server}/version", verify=str(plane.certificate_authority), timeout=NEVER)
    return parsedate_to_datetime(answer.headers["Date"])


def moment_after(world: World, *names: str) -> str:
    """Wait until these keys' second of issue is over, and return the moment after it."""
    last = max(ApiKey.from_body(world.key(name)).status.issued.at for name in names)  # type: ignore[union-attr]
    moment = last + timedelta(seconds=1)
    eventually(lambda: server_time(world.api.plane) >= moment, within=10, describe=f"it is {moment}")
    return format_time(moment)


def rows(text: str) -> dict[str, Sequence[str]]:
    """The table's lines by the key's name, each as its columns."""
    lines = [line.split(maxsplit=5) for line in text.splitlines()[1:-1]]
    return {line[1]: line for line in lines}


def json_of(result: subprocess.CompletedProcess[str]) -> Any:
    """The document that it printed."""
    return json.loads(result.stdout)
