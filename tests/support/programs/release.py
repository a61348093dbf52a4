"""Two versions of the chart and the code, and a cluster on which one takes the other's place."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest

from support.cluster.service_network import ServiceNetwork
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.programs.webhook_process import WebhookProcess
from support.run.slowness import NEVER
from tenure_dev import kubeconfig
from tenure_dev.chart import CHART, NAMESPACE
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.paths import CHECKOUT
from tenure_dev.tools import Tools

PREVIOUS = "45aea96047d5e167ef284c2daa4e97bebafefb7e"
"""The version before, as long as none is released."""

SAME_DEFINITIONS = "42a5ebcfe11edd16a9b2a1a933ac677d8b45724e"
"""The first version that starts with the present definitions. Those before it want a rule that `spec.membership` of a
key can't change."""

BEFORE_LIMITS = "883b325574fe0b7d02c1938f6575d37453e7ebcb"
"""A version that doesn't know `spec.capabilities` and `spec.rotation`."""

_PATIENCE = 120.0
_READY = "Tenure is ready"
"""What the programs of every version say; what follows differs."""
"""Seconds: while definitions are replaced, the API server of a busy machine may answer nobody for a while."""


@dataclass(frozen=True)
class Version:
    """A chart, and the program that its image would hold."""

    name: str
    chart: Path
    program: tuple[str, ...]


def present(chart: Path = CHART) -> Version:
    """What is checked out."""
    return Version("present", chart, (sys.executable, "-m", "tenure"))


def previous(folder: Path, commit: str = PREVIOUS) -> Version:
    """The version before, built from Git into an environment of its own; skips where the clone has no history."""
    git = ["git", "-C", str(CHECKOUT)]
    if subprocess.run([*git, "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, check=False).returncode:
        pytest.skip(f"this clone has no commit {commit[:12]}: it is shallow; run `git fetch --unshallow`")
    source, environment = folder / "source", folder / "environment"
    paths = ["operator", "helm", "pyproject.toml", "uv.lock", "README.md", "LICENSE"]
    archive = subprocess.run([*git, "archive", commit, *paths], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(source, filter="data")
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv is neither on PATH nor named by UV; run the tests by `make test`"
    settings = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment)}
    command = [uv, "sync", "--locked", "--no-dev", "--no-editable", "--quiet"]
    built = subprocess.run(command, cwd=source, env=settings, capture_output=True, text=True, check=False, timeout=600)
    if built.returncode and "UV_OFFLINE" in os.environ:
        pytest.skip("uv has no network here, and lacks what the version before needs; run `make test` first")
    assert built.returncode == 0, built.stderr
    return Version("previous", source / "helm" / "tenure", (str(environment / "bin" / "tenure"),))


@dataclass
class Site:
    """A cluster with a release of the chart; what the kubelet would run, run as the chart's ServiceAccounts."""

    plane: ControlPlane
    services: ServiceNetwork
    folder: Path
    stack: ExitStack
    ports: list[int] = field(default_factory=lambda: free_ports(2))
    """Of the two webhook replicas."""

    operators: list[OperatorProcess] = field(default_factory=list)
    """The oldest first."""

    webhooks: list[WebhookProcess | None] = field(default_factory=lambda: [None, None])
    verifier: VerifierProcess | None = None

    def helm(self, *args: str) -> str:
        """Run Helm against the cluster."""
        environment = {"HOME": str(self.folder), "KUBECONFIG": str(self.plane.kubeconfig)}
        command = [str(Tools.find_or_build().helm), *args, "--namespace", NAMESPACE]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=NEVER)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def replace_operators(self, version: Version) -> None:
        """Start those of a version and stop the others, in the order that the Deployment's strategy makes of it."""
        spec = json.loads(
            self.plane.kubectl("get", "deployment", "tenure-controller", f"--namespace={NAMESPACE}", "-o=json").stdout
        )["spec"]
        replicas, strategy = spec["replicas"], spec["strategy"]
        most = replicas
        if strategy["type"] == "RollingUpdate":
            assert strategy["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
            most += 1
        else:
            self._stop_operators(len(self.operators))
        others = len(self.operators)
        for number in range(replicas):
            if len(self.operators) == most:
                self._stop_operators(1)
                others -= 1
            command = self._command(version, "controller")
            log = self.folder / f"operator-{version.name}-{number}.log"
            operator = OperatorProcess(self._config("controller"), log, command=command, health_port=0)
            operator.ready_line = _READY
            self.operators.append(self.stack.enter_context(operator.start(within=_PATIENCE)))
        self._stop_operators(others)

    def _stop_operators(self, count: int) -> None:
        """Stop so many of them, the oldest first.

        A leader may have ended before: the API server of a busy machine can be held up for longer than its 10 seconds
        while definitions are replaced, and a rollback takes the right to the Lease away before the processes.
        """
        for _ in range(count):
            operator = self.operators.pop(0)
            if operator.running or "tenure: leadership lost" not in operator.log:
                operator.stop(within=15)

    def replace_webhook(self, number: int, version: Version) -> None:
        """Take a replica out of the Service, stop it, start the one of a version, and put that in once it is ready."""
        port, old = self.ports[number], self.webhooks[number]
        if old is not None:
            self.services.backends.remove(port)
            old.stop(within=15)
        command = self._command(version, "webhook", "--webhook-host=127.0.0.1", f"--webhook-port={port}")
        log = self.folder / f"webhook-{number}-{version.name}.log"
        new = WebhookProcess(self._config("webhook"), log, port, command=command, health_port=0)
        new.ready_line = _READY
        self.webhooks[number] = new
        self.stack.enter_context(new)
        self.services.backends.append(port)

    def replace_verifier(self, version: Version) -> None:
        """Stop the verifier and start the one of a version."""
        if self.verifier is not None:
            self.verifier.stop(within=15)
        (port,) = free_ports(1)
        command = self._command(version, "verifier", "--verifier-host=127.0.0.1", f"--verifier-port={port}")
        log = self.folder / f"verifier-{version.name}.log"
        self.verifier = VerifierProcess(self._config("verifier"), log, port=port, command=command, health_port=0)
        self.verifier.ready_line = _READY
        self.stack.enter_context(self.verifier)

    def replace_all(self, version: Version) -> None:
        """One after the other."""
        self.replace_operators(version)
        self.replace_webhook(0, version)
        self.replace_webhook(1, version)
        self.replace_verifier(version)

    def _command(self, version: Version, component: str, *instead: str) -> Sequence[str]:
        """What the Deployment's container runs, with what depends on the machine replaced."""
        path = "-o=jsonpath={range .spec.template.spec.containers[0].args[*]}{@}{'\\n'}{end}"
        shown = self.plane.kubectl("get", "deployment", f"tenure-{component}", f"--namespace={NAMESPACE}", path).stdout
        replaced = {argument.partition("=")[0] for argument in instead}
        replaced.add("--health-port")  # One for all pods in the chart, and here all share a machine.
        arguments = [argument for argument in shown.splitlines() if argument.partition("=")[0] not in replaced]
        return (*version.program, *arguments, *instead)

    def _config(self, component: str) -> Path:
        """The kubeconfig of the ServiceAccount that the release made."""
        path = self.folder / f"{component}.kubeconfig"
        if not path.exists():
            command = ("create", "token", f"tenure-{component}", f"--namespace={NAMESPACE}", "--duration=12h")
            token = self.plane.kubectl(*command).stdout.strip()
            kubeconfig.write(path, self.plane.server, authority=self.plane.certificate_authority, token=token)
        return path
