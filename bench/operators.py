"""The operators that are compared, each a process of its own under an account of its own."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from bench.api import Api
from bench.audit import AuditLog, Call
from bench.usage import Spent, Usage
from tenure.process.signals import READY
from tenure_dev.build import built
from tenure_dev.controlplane import ControlPlane
from tenure_dev.errors import ToolError
from tenure_dev.gomodule import GoModule
from tenure_dev.processes import Process

ACCOUNTS = "bench-accounts"
"""The namespace of the operators' ServiceAccounts: by these the audit log tells who asked for what."""

_HERE = Path(__file__).resolve().parent
_KOPF = ("-m", "kopf", "run", "--standalone", "--all-namespaces")
_WATCHED = ("apikeys", "memberships")
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Operator:
    """An operator and the arguments that start it: of Python, or of the one program of a Go module."""

    name: str
    label: str
    arguments: Sequence[str]
    module: GoModule | None = None

    @property
    def program(self) -> str:
        """The path of what gets the arguments."""
        if self.module is None:
            return sys.executable
        (name,) = self.module.programs
        return str(self.module.folder / name)

    @property
    def is_there(self) -> bool:
        """Whether it can be started. One in Go has to be built."""
        return self.module is None or not self.module.missing(self.module.folder)

    def missing(self) -> str:
        """Build it if that is still to be done; why it can't be built, for people, or nothing."""
        try:
            if self.module is not None:
                built(self.module)
        except ToolError as error:
            return f"Measuring without {self.module and self.module.name}: {str(error).splitlines()[0]}"
        return ""


TENURE = Operator("tenure", "Tenure", ("-m", "tenure", "run", "--resync", "86400"))
"""All but without its sweep, which reads every key's Secret once in five minutes, whatever else happens."""
SWEEPING = Operator("sweeping", "Tenure", ("-m", "tenure", "run"))
"""With the sweep, as it is by default."""
ROTATION = Operator("rotation", "their rotation", ())
"""Tenure again, when it rotates the keys that it has issued."""
PLAIN = Operator("plain", "plain Kopf", (*_KOPF, str(_HERE / "plain_operator.py")))
SHARED = Operator(
    "shared", "… with one client", (*_KOPF, str(_HERE / "plain_operator.py"), str(_HERE / "shared_client.py"))
)
"""What the tutorials leave to be gained with three lines."""
PEER = Operator(
    "peer",
    "in Go",
    (),
    GoModule(
        name="the operator in Go",
        source=_HERE / "peer",
        store="bench-peer",
        programs={"peer": "tenure.dev/bench/peer"},
        named_after="sigs.k8s.io/controller-runtime",
        core_minutes=4,
    ),
)
"""The least of the same job with controller-runtime, which is what one would write an operator in Go with."""
EMPTY = Operator("empty", "empty handler", (*_KOPF, str(_HERE / "empty_operator.py")))
BARE = Operator("bare", "a bare client", ())
"""The benchmark's own client, which writes what an operator would write."""
VERIFIER = Operator("verifier", "the verifier", ("-m", "tenure", "verifier", "--processes", "1"))
_REPLICA = ("--leader-election", "--no-webhooks", "--system-namespace", ACCOUNTS, "--resync", "86400")
LEADER = Operator("leader", "the leader", ("-m", "tenure", "run", *_REPLICA))
STANDBY = Operator("standby", "a standby", LEADER.arguments)
OPERATORS = (TENURE, SWEEPING, PLAIN, SHARED, PEER, EMPTY, VERIFIER, LEADER, STANDBY)


@dataclass(frozen=True)
class Mark:
    """A moment of a run from which on is counted."""

    calls: int
    spent: Spent


class Run:
    """A running operator."""

    def __init__(self, process: Process, audit: AuditLog, started_at: float) -> None:
        self.started_at = started_at
        self._process = process
        self._audit = audit
        self.usage = Usage(process.pid)

    def ready_at(self) -> float | None:
        """When the log said that it is ready, in seconds since the epoch, or None if it didn't yet."""
        for line in self._process.log.read_text(errors="replace").splitlines():
            if READY in line:
                return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
        return None

    def kill(self) -> None:
        """End it at once, as a crash of its node does."""
        self._process.kill()

    def mark(self) -> Mark:
        """Count from now on."""
        self._audit.read()
        return Mark(len(self._audit.calls), self.usage.spent())

    def first(self) -> Mark:
        """Count from the process's start on."""
        return Mark(0, self.usage.first)

    def since(self, mark: Mark) -> Sequence[Call]:
        """The requests since a mark."""
        self._audit.read()
        return self._audit.calls[mark.calls :]

    def spent_since(self, mark: Mark) -> Spent:
        """The CPU time since a mark."""
        return self.usage.spent() - mark.spent

    async def watching(self, *, within: float = 60.0) -> None:
        """Wait until the operator watches the kinds that all operators here watch; `ToolError` if it doesn't."""
        if not await self._until(lambda: all(map(self._audit.watches, _WATCHED)), within):
            raise self._process.failure(f"doesn't watch {' and '.join(_WATCHED)} after {within:.0f} s")

    async def settled(self, seconds: float, *, within: float = 60.0) -> bool:
        """Wait until it has asked for nothing for so many seconds; False if it goes on asking."""
        begun = time.time()
        return await self._until(lambda: time.time() - max(self._audit.last_at(), begun) >= seconds, within)

    async def quiet(self, seconds: float, *, within: float = 180.0) -> float | None:
        """Wait until it has neither asked nor computed for so many seconds; the moment since when, or None."""

        def active_at() -> float:
            return max(self._audit.last_at(), self.usage.last_busy_at())

        if await self._until(lambda: time.time() - active_at() >= seconds, within):
            return active_at()
        return None

    async def idle(self, seconds: float, *, within: float) -> bool:
        """Wait until it has computed nothing for so many seconds, though it may ask for something now and then."""
        return await self._until(lambda: time.time() - self.usage.last_busy_at() >= seconds, within)

    async def issued(self, keys: int, *, within: float) -> int:
        """Wait until it has created so many Secrets, and return how many it has."""

        def created() -> int:
            return sum((call.verb, call.resource) == ("create", "secrets") for call in self._audit.calls)

        await self._until(lambda: created() >= keys, within)
        return created()

    async def _until(self, check: Callable[[], bool], within: float) -> bool:
        deadline = time.monotonic() + within
        while True:
            self._audit.read()
            if check():
                return True
            if not self._process.running:
                raise self._process.failure(f"ended with exit code {self._process.exit_code}")
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)


class Launcher:
    """Starts operators against a control plane."""

    def __init__(self, plane: ControlPlane, api: Api) -> None:
        self._plane, self._api = plane, api

    async def prepare(self, operators: Sequence[Operator]) -> None:
        """Give each operator an account with all rights, and a kubeconfig; compile what they import."""
        modules = "kopf.cli, kubernetes.client, tenure.cli, tenure.controller.process, tenure.admission.process"
        command = [sys.executable, "-c", f"import {modules}"]
        subprocess.run(command, env=self._environment, check=True)  # noqa: ASYNC221 - nothing else runs yet
        await self._api.send("POST", "/api/v1/namespaces", {"metadata": {"name": ACCOUNTS}})
        for operator in operators:
            await self._prepare(operator)

    @asynccontextmanager
    async def running(self, operator: Operator, *, within: float = 60.0) -> AsyncIterator[Run]:
        """Run an operator while the block runs; it watches when the block begins."""
        log = self._plane.folder / f"{operator.name}.log"
        environment = {**self._environment, "KUBECONFIG": str(self._kubeconfig(operator))}
        process = Process(operator.name, [operator.program, *operator.arguments], log=log, env=environment)
        process.log.unlink(missing_ok=True)
        if self._plane.audit_log is None:
            raise ValueError("the control plane has no audit log")
        audit = AuditLog(self._plane.audit_log, f"system:serviceaccount:{ACCOUNTS}:{operator.name}")
        started_at = time.time()
        run = Run(process.start(), audit, started_at)
        try:
            await run.watching(within=within)
            yield run
        finally:
            run.usage.stop()
            process.stop()

    @property
    def folder(self) -> Path:
        """Where logs and such lie."""
        return self._plane.folder

    def process(self, operator: Operator, arguments: Sequence[str], extra: Mapping[str, str]) -> Process:
        """A process of an operator, not yet started."""
        environment = {**self._environment, "KUBECONFIG": str(self._kubeconfig(operator)), **extra}
        log = self._plane.folder / f"{operator.name}.log"
        return Process(operator.name, [sys.executable, *arguments], log=log, env=environment)

    @property
    def _environment(self) -> dict[str, str]:
        """As in an image: compiled modules are there and needn't be compiled at each start."""
        bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self._plane.folder / "bytecode")}
        return {**os.environ, **bytecode, "PYTHONUNBUFFERED": "1"}

    def _kubeconfig(self, operator: Operator) -> Path:
        return self._plane.folder / f"{operator.name}.kubeconfig"

    async def _prepare(self, operator: Operator) -> None:
        accounts = f"/api/v1/namespaces/{ACCOUNTS}/serviceaccounts"
        subject = {"kind": "ServiceAccount", "name": operator.name, "namespace": ACCOUNTS}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        binding = {"metadata": {"name": f"bench-{operator.name}"}, "roleRef": role, "subjects": [subject]}
        request = {"spec": {"expirationSeconds": 86400}}
        await self._api.send("POST", accounts, {"metadata": {"name": operator.name}})
        await self._api.send("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        answer = json.loads(await self._api.send("POST", f"{accounts}/{operator.name}/token", request))
        self._write_kubeconfig(operator, answer["status"]["token"])

    def _write_kubeconfig(self, operator: Operator, token: str) -> None:
        document = yaml.safe_load(self._plane.kubeconfig.read_text())
        for user in document["users"]:
            user["user"] = {"token": token}
        path = self._kubeconfig(operator)
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(document))
