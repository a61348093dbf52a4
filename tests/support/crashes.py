"""Operators that are killed at one of their writes, several at a time, each in a namespace of its own."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from support.api import Api
from support.eventually import eventually
from support.exchange import DROP, Answer, Reply, Request
from support.operator_process import OperatorProcess
from support.proxy import Proxy
from support.world import Body, World
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

SLOWLY = 0.3
"""Seconds between two looks at several namespaces."""
WITHIN = 180.0


@dataclass
class Victim:
    """An operator behind a proxy that shall be killed, and the namespace that it alone serves until then.

    Attributes:
        world: The namespace.
        proxy: What it speaks through.
        operator: The process.
        tokens: Of each key, before anything happened.
    """

    world: World
    proxy: Proxy
    operator: OperatorProcess
    tokens: dict[str, Token] = field(default_factory=dict)

    def kill_at_write(self, number: int) -> None:
        """Have it killed once its `number`-th write from now is stored; 0: instead of the first one."""
        if number:
            self.proxy.after_write(number, self._kill)
        else:
            self.proxy.before_write(1, self._kill)

    def kill_between_secret_and_status(self) -> None:
        """Have it killed once it has created a Secret; nothing that it writes afterwards is stored."""

        async def on_request(request: Request) -> Answer:
            return DROP if request.is_write and not self.alive else None

        async def on_response(request: Request, reply: Reply) -> Answer:
            if (request.method, request.resource, reply.status) != ("POST", "secrets", HTTPStatus.CREATED):
                return None
            self._kill()
            return DROP

        self.proxy.on_request, self.proxy.on_response = on_request, on_response

    @property
    def alive(self) -> bool:
        """Whether it was started and not killed."""
        return self.operator.running

    def _kill(self) -> None:
        self.operator.kill()


class CrashSite:
    """Where operators are killed; a context manager that leaves none of them running."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._plane = plane
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def victims(self, populations: Sequence[Sequence[Body]]) -> list[Victim]:
        """Make one victim, not started yet, for each list of objects, which are all reconciled by then."""
        victims = [self._victim() for _ in populations]
        for victim, objects in zip(victims, populations, strict=True):
            victim.world.create(*objects)
        operator = self.start_for_all(victims)
        for victim in victims:
            victim.tokens = _settle(victim.world)
        operator.stop(within=WITHIN)
        return victims

    def start_for_all(self, victims: Sequence[Victim]) -> OperatorProcess:
        """Start one operator, without a proxy, in the place of all the victims; those that still live are stopped."""
        for victim in victims:
            if victim.alive:
                victim.operator.stop(within=WITHIN)
        served = [argument for victim in victims for argument in ("--namespace", victim.world.api.namespace)]
        log = self._folder / f"{uuid4().hex}.log"
        operator = OperatorProcess(self._plane.kubeconfig, log, *served, "--resync", "1").start(within=WITHIN)
        self._stack.callback(_end, operator)
        return operator

    def _victim(self) -> Victim:
        namespace = f"test-{uuid4().hex[:10]}"
        self._plane.kubectl("create", "namespace", namespace)
        self._stack.callback(self._plane.kubectl, "delete", "namespace", namespace, "--wait=false")
        world = World(Api(self._plane, namespace))
        self._stack.callback(world.api.close)
        proxy = self._stack.enter_context(Proxy(self._plane))
        config = proxy.kubeconfig(self._folder / f"{namespace}.kubeconfig")
        operator = OperatorProcess(config, self._folder / f"{namespace}.log", "--namespace", namespace)
        self._stack.callback(_end, operator)
        return Victim(world, proxy, operator)


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
