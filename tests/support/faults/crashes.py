"""An operator that is killed at one of its writes, at another one in each of its namespaces."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from support.cluster.world import Body, World, fresh_world
from support.faults.exchange import DROP, Answer, Reply, Request
from support.faults.proxy import Proxy
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

SLOWLY = 0.3
"""Seconds between two looks at several namespaces."""
WITHIN = 180.0


class Victim:
    """A namespace in which an operator is killed at one of its writes: none of its later ones arrives there.

    So what is stored is what a killed one leaves behind. The process itself is killed once it has come so far in all
    of its namespaces.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.tokens: dict[str, Token] = {}
        """Of each key, before anything happened."""
        self.alive = True
        """Whether it wasn't killed here."""
        self._is_last: Callable[[Request, Reply], bool] | None = None
        self._is_first: Callable[[Request], bool] | None = None

    def kill_at_write(self, number: int) -> None:
        """Have it killed once its `number`-th write from now is stored; 0: instead of the first one."""
        writes = count(1)
        if number:
            self._is_last = lambda request, _: request.is_write and next(writes) == number
        else:
            self._is_first = lambda request: request.is_write

    def kill_between_secret_and_status(self) -> None:
        """Have it killed once it has written a token into a Secret, be it a new one or the present one."""
        written = {("POST", "secrets", HTTPStatus.CREATED), ("PATCH", "secrets", HTTPStatus.OK)}
        self._is_last = lambda request, reply: (request.method, request.resource, reply.status) in written

    def ask(self, request: Request) -> Answer:
        """Take a request of the operator's about this namespace."""
        if self._is_first is not None and self._is_first(request):
            self.alive = False
        return DROP if request.is_write and not self.alive else None

    def answer(self, request: Request, reply: Reply) -> Answer:
        """Take the answer to one."""
        if self.alive and self._is_last is not None and self._is_last(request, reply):
            self.alive = False
        return DROP if request.is_write and not self.alive else None


class CrashSite:
    """Where an operator is killed; a context manager that leaves none running."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._plane = plane
        self._folder = folder
        self._stack = ExitStack()
        self._victims: dict[str, Victim] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def victims(self, populations: Sequence[Sequence[Body]]) -> list[Victim]:
        """Make one victim for each list of objects, all served by `operator`, which has reconciled all by then."""
        victims = [Victim(self._stack.enter_context(fresh_world(self._plane))) for _ in populations]
        self._victims = {victim.world.api.namespace: victim for victim in victims}
        for victim, objects in zip(victims, populations, strict=True):
            victim.world.create(*objects)
        proxy = self._stack.enter_context(Proxy(self._plane))
        proxy.on_request, proxy.on_response = self._ask, self._answer
        self.operator = self._start(proxy.kubeconfig(self._folder / f"{uuid4().hex}.kubeconfig"))
        for victim in victims:
            victim.tokens = _settle(victim.world)
        return victims

    def start_after_crash(self) -> OperatorProcess:
        """Kill the operator, and start one without a proxy in its place."""
        self.operator.kill()
        return self._start(self._plane.kubeconfig, "--resync=1")

    def _start(self, config: Path, *options: str) -> OperatorProcess:
        served = [f"--namespace={namespace}" for namespace in self._victims]
        operator = OperatorProcess(config, self._folder / f"{uuid4().hex}.log", *served, *options)
        self._stack.callback(_end, operator)
        return operator.start(within=WITHIN)

    async def _ask(self, request: Request) -> Answer:
        victim = self._victims.get(request.namespace)
        return None if victim is None else victim.ask(request)

    async def _answer(self, request: Request, reply: Reply) -> Answer:
        victim = self._victims.get(request.namespace)
        return None if victim is None else victim.answer(request, reply)


def _end(operator: OperatorProcess) -> None:
    if operator.running:
        operator.kill()


def _settle(world: World) -> dict[str, Token]:
    """Wait until there is nothing more to do, and return the tokens of all keys, which must be valid."""
    keys = [body["metadata"]["name"] for body in world.api.list("apikeys")]
    tokens = world.issue(*keys, within=WITHIN)
    world.wait_valid_keys(len(keys), within=WITHIN)
    eventually(lambda: _keys_are_listed(world), within=WITHIN, describe="the Memberships' statuses are up to date")
    return tokens


def _keys_are_listed(world: World) -> bool:
    held = Counter(key["spec"]["membership"] for key in world.api.list("apikeys"))
    return all(
        member["status"].get("keyCount") == held[member["metadata"]["name"]] for member in world.api.list("memberships")
    )
