"""Two operators at once: the same end as with one, one token for each key, and no war of writes."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import Body, World
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.load.churn import Churn, Witness, check_settled
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.sweeps import check_quiet
from tenure_dev.controlplane import ControlPlane

STEPS = 40

Pair = tuple[OperatorProcess, OperatorProcess]


@pytest.fixture
def pair(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Pair]:
    """Give two operators for the test's namespace, which sweep every second."""
    logs = (tmp_path / "first.log", tmp_path / "second.log")
    arguments = ("--namespace", namespace, "--resync", "1")
    first, second = (OperatorProcess(config_of(control_plane, CONTROLLER), log, *arguments).start() for log in logs)
    yield first, second
    for operator in (first, second):
        if operator.running:
            operator.stop()


@pytest.mark.parametrize(
    ("seed", "frozen"), [pytest.param(1, False, id="both run"), pytest.param(2, True, id="one is frozen for a while")]
)
def test_churn_ends_as_with_one_operator(
    world: World, control_plane: ControlPlane, audit: Audit, pair: Pair, *, seed: int, frozen: bool
) -> None:
    churn = Churn(world, seed)
    churn.populate()
    with Witness(control_plane, world.api.namespace) as witness:
        for step in churn.steps(STEPS):
            if frozen and step == STEPS // 4:
                pair[1].pause()
            if step % 8 == 7:
                check_settled(world)
        pair[1].resume()
        check_settled(world)
        check_quiet(world, audit, operators=2)
        check_settled(world)
    assert witness.looks > STEPS
    assert not witness.revived

    settled = _picture(world)
    pair[1].stop()
    check_quiet(world, audit, operators=1)
    assert _picture(world) == settled


def test_each_key_is_issued_once(world: World, audit: Audit, pair: Pair) -> None:
    del pair
    names = [f"key-{number}" for number in range(30)]
    world.create(organization(), member("alice"), *(api_key(name, "alice") for name in names))
    first = world.issue(*names, within=30)
    for name in names:
        world.change_key(name, revision=2)
    second = {name: world.wait_new_token(name, first[name], within=30) for name in names}

    assert {world.verdict(token) for token in second.values()} == {"Valid"}
    assert {world.verdict(token) for token in first.values()} == {"NotFound"}
    created = [entry for entry in audit.writes(resource="secrets") if entry.verb == "create" and entry.code == 201]
    mine = Counter(entry.name for entry in created if entry.namespace == world.api.namespace)
    assert mine.keys() == set(names)
    # An operator that is behind may create a Secret of the former revision, which never becomes valid.
    assert max(mine.values()) <= 3


def test_a_key_is_rotated_once_and_no_announcement_replaces_the_other_for_ever(
    world: World, audit: Audit, pair: Pair
) -> None:
    del pair
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop", within=30)["laptop"]
    world.change_key("laptop", rotation={"request": 1})
    new = world.wait_new_token("laptop", old, within=60)
    check_quiet(world, audit, operators=2)
    status = world.key("laptop")["status"]
    assert (status["previous"]["keyId"], status["issued"]["sequence"]) == (old.key_id, 2)
    assert "next" not in status
    assert {world.verdict(token) for token in (old, new)} == {"Valid"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([({"revision": 2}, "Issued"), ({"revision": 3}, "Issued")], id="revision"),
        pytest.param(
            [({"forRole": "Viewer", "revision": 2}, "RoleMismatch"), ({"forRole": "Member"}, "Issued")], id="forRole"
        ),
    ],
)
def test_an_operator_that_lags_ends_no_live_key(
    world: World, control_plane: ControlPlane, tmp_path: Path, changes: list[tuple[Body, str]]
) -> None:
    scope = ("--namespace", world.api.namespace)
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(control_plane, as_user=CONTROLLER))
        stack.enter_context(OperatorProcess(proxy.kubeconfig(tmp_path / "k"), tmp_path / "behind.log", *scope))
        world.create(organization(), member("alice"), api_key("laptop", "alice", forRole="Member"))
        world.issue("laptop")  # By this one alone: after a conflict with another one it would read the key again.
        ahead = stack.enter_context(
            OperatorProcess(config_of(control_plane, CONTROLLER), tmp_path / "ahead.log", *scope)
        )
        gate = Gate("apikeys")
        proxy.on_watch_line, proxy.on_request = gate.hold, gate.refuse

        for change, reason in changes:
            world.change_key("laptop", **change)
            world.wait_reason("laptop", reason)
        before, token = world.api.get("secrets", "laptop"), world.issue("laptop")["laptop"]
        ahead.stop()
        gate.open.set()
        world.create(api_key("last", "alice"))
        world.issue("last", within=30)

        assert world.api.get("secrets", "laptop") == before
        assert world.verdict(token) == "Valid"
        assert world.reason("apikeys", "laptop") == "Issued"


class Gate:
    """Holds a kind's news back until it is opened, and lets them through one at a time, as a busy client takes them."""

    def __init__(self, resource: str) -> None:
        self.open = threading.Event()
        self._resource = resource

    async def hold(self, request: Request, line: bytes) -> bytes | None:
        if request.resource == self._resource:
            await asyncio.to_thread(self.open.wait)
            await asyncio.sleep(0.5)
        return line

    async def refuse(self, request: Request) -> Answer:
        is_news = request.is_list and request.resource == self._resource and not self.open.is_set()
        return Reply.failure(500, "InternalError") if is_news else None


def _picture(world: World) -> dict[str, Body]:
    stored = [
        body for plural in ("organizations", "memberships", "apikeys", "secrets") for body in world.api.list(plural)
    ]
    return {body["metadata"]["uid"]: body for body in stored}
