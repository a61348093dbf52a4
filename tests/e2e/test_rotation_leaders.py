"""Two leaders at once during a rotation: one is paused at one of its writes, until the other has taken over."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from support.cluster.identity import CONTROLLER
from support.cluster.world import World, fresh_world
from support.faults.exchange import DROP, Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

WRITES = ("announce", "deliver", "promote")
WITHIN = 90.0


def write_of(request: Request) -> str:
    """Which write of a rotation a request is, or empty for any other one."""
    if request.method != "PATCH" or not request.json:
        return ""
    if request.resource == "secrets":
        return "deliver" if request.json.get("data") else ""
    status = request.json.get("status") or {}
    if request.resource != "apikeys/status" or not (status.get("next") or status.get("previous")):
        return ""
    return "announce" if status.get("next") else "promote"


@dataclass
class Scene:
    """A namespace in which the first leader is paused at one of its writes."""

    world: World
    paused_at: str
    is_paused: bool = False
    may_go_on: threading.Event = field(default_factory=threading.Event)
    is_answered: threading.Event = field(default_factory=threading.Event)
    late: int = 0
    """The status of the answer to the write that it was paused at."""
    old: Token = field(init=False)


class TwoLeaders:
    """The first leader's requests and the second one's, by way of a proxy each."""

    def __init__(self, scenes: list[Scene]) -> None:
        self.scenes = {scene.world.api.namespace: scene for scene in scenes}

    async def pause(self, request: Request) -> Answer:
        """Hold the first leader's write back, and lose all that it writes afterwards, as that of a process that ended.

        A read has an answer, because the first leader goes on with what it had read before.
        """
        scene = self.scenes.get(request.namespace)
        if scene is None or not request.is_write:
            return None
        if scene.is_paused:
            return DROP
        if write_of(request) == scene.paused_at:
            scene.is_paused = True
            await asyncio.to_thread(scene.may_go_on.wait)
        return None

    async def note(self, request: Request, reply: Reply) -> Answer:
        """Note how the late write ended."""
        scene = self.scenes.get(request.namespace)
        if scene is not None and scene.is_paused and not scene.late and write_of(request) == scene.paused_at:
            scene.late = reply.status
            scene.is_answered.set()
        return None

    async def meet(self, request: Request) -> Answer:
        """Let the first leader go on just before the second one's own write of the kind that comes after the pause."""
        scene = self.scenes.get(request.namespace)
        if scene is not None and write_of(request) == {"announce": "deliver"}.get(scene.paused_at, scene.paused_at):
            scene.may_go_on.set()
            await asyncio.to_thread(scene.is_answered.wait)
        return None


@pytest.fixture
def scenes(control_plane: ControlPlane) -> Iterator[list[Scene]]:
    """Give a namespace for each write, with an issued key."""
    with ExitStack() as stack:
        yield [Scene(stack.enter_context(fresh_world(control_plane)), write) for write in WRITES]


def test_a_leader_that_was_paused_at_a_write_ends_no_token(
    control_plane: ControlPlane, scenes: list[Scene], tmp_path: Path
) -> None:
    leaders = TwoLeaders(scenes)
    served = [f"--namespace={scene.world.api.namespace}" for scene in scenes]
    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(control_plane, as_user=CONTROLLER)) for _ in range(2)]
        first, second = (proxy.kubeconfig(tmp_path / f"{number}.kubeconfig") for number, proxy in enumerate(proxies))
        stack.enter_context(OperatorProcess(first, tmp_path / "first.log", *served))
        for scene in scenes:
            scene.world.create(organization(), member("alice"), api_key("laptop", "alice"))
            scene.old = scene.world.issue("laptop", within=WITHIN)["laptop"]
        proxies[0].on_request, proxies[0].on_response = leaders.pause, leaders.note
        for scene in scenes:
            scene.world.change_key("laptop", rotation={"request": 1})
        eventually(lambda: all(scene.is_paused for scene in scenes), within=WITHIN, describe="it is paused at each")
        proxies[1].on_request = leaders.meet
        stack.enter_context(OperatorProcess(second, tmp_path / "second.log", *served))
        for scene in scenes:
            wait = partial(is_rotated, scene)
            eventually(wait, within=WITHIN, describe=f"the key is rotated, paused at {scene.paused_at}")
        # A late promotion is right as long as the second leader hasn't promoted the same token.
        late = {scene.paused_at: scene.late for scene in scenes}
        assert late == {"announce": 409, "deliver": 409, "promote": 200}
        for scene in scenes:
            token, status = scene.world.token("laptop"), scene.world.key("laptop")["status"]
            assert token is not None
            assert (status["previous"]["keyId"], status["issued"]["sequence"]) == (scene.old.key_id, 2)
            assert {scene.world.verdict(one) for one in (scene.old, token)} == {"Valid"}


def is_rotated(scene: Scene) -> bool:
    """Whether the rotation is over. No one of its steps ends the present token."""
    assert scene.world.verdict(scene.old) == "Valid", f"paused at {scene.paused_at}"
    status = scene.world.key("laptop")["status"]
    return bool(scene.late and "previous" in status and "next" not in status)
