"""The leader stops, dies, freezes or loses the API server: another replica takes over, and the end is as with one."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from support.api.api import Api
from support.api.audit import Audit
from support.cluster.identity import CONTROLLER
from support.cluster.world import World
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.load.churn import Churn, Witness, check_settled
from support.objects.manifests import api_key, member, organization
from support.programs.replicas import (
    LASTING_SECONDS,
    LEADS,
    Replicas,
    delete_lease,
    is_claim,
    seconds_since,
    send_again,
    wait_leads,
    wait_lost,
)
from support.run.eventually import eventually
from support.run.soak import Figure, check_promise, size
from tenure_dev.controlplane import ControlPlane

BURST = size(short=10, soak=20)
"""Changes, as fast as they can be made."""

FROZEN_SECONDS = size(short=0.0, soak=60.0)
PACED = size(short=20, soak=120)
"""Changes while the leader is frozen, spread over that time."""

KILLS = size(short=2, soak=20)
LEASE = size(short=None, soak=15)
"""Seconds of the Lease. None: as short as it may be."""

PROMISED_AFTER_KILL = 20.0
PROMISED_AFTER_SIGTERM = 2.0
MANY = [f"key-{number}" for number in range(30)]

MakeReplicas = Callable[[int | None], Replicas]


@pytest.fixture
def replicas_that_last(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[MakeReplicas]:
    """Give a function that makes two replicas, not started, whose Lease lasts for so many seconds."""
    made: list[Replicas] = []

    def make(seconds: int | None) -> Replicas:
        made.append(Replicas(control_plane, namespace, tmp_path, lease_seconds=seconds))
        return made[-1]

    delete_lease(control_plane)
    yield make
    for replicas in made:
        replicas.stop()
    delete_lease(control_plane)


@pytest.mark.soak
def test_another_replica_issues_keys_after_a_kill(
    world: World, replicas_that_last: MakeReplicas, figure: Figure
) -> None:
    replicas = replicas_that_last(LEASE)
    replicas.start()
    world.create(organization(), member("alice"), api_key("before", "alice"))
    world.issue("before")
    killed = time.monotonic()
    replicas.first.kill()
    world.create(api_key("after", "alice"))
    world.issue("after", within=2 * replicas.lease_seconds)
    taken = seconds_since(killed)
    figure(f"a key {taken:.1f} s after the leader was killed, with a Lease of {replicas.lease_seconds} s")
    assert LEADS in replicas.second.log
    check_promise(taken, PROMISED_AFTER_KILL)


@pytest.mark.soak
def test_another_replica_issues_keys_after_a_stop(
    world: World, replicas_that_last: MakeReplicas, figure: Figure
) -> None:
    pair = replicas_that_last(LASTING_SECONDS)  # It is released: nobody could wait for its end.
    pair.start()
    world.create(organization(), member("alice"), api_key("before", "alice"))
    world.issue("before")
    stopped = time.monotonic()
    pair.first.terminate()
    eventually(lambda: "released: " in pair.first.log, every=0.01, describe="the Lease is released")
    world.create(api_key("after", "alice"))
    world.issue("after")
    taken = seconds_since(stopped)
    figure(f"a key {taken:.1f} s after the leader was told to stop")
    check_promise(taken, PROMISED_AFTER_SIGTERM)
    pair.first.stop()
    assert LEADS in pair.second.log


@pytest.mark.soak
def test_a_leader_that_is_told_to_stop_leaves_a_request_that_hangs_and_then_lets_go(
    world: World, replicas_that_last: MakeReplicas, tmp_path: Path
) -> None:
    replicas = replicas_that_last(LASTING_SECONDS)
    done: list[str] = []

    async def hang(request: Request) -> Answer:
        if request.resource == "secrets" and request.is_write:
            done.append("hangs")
            try:
                await asyncio.Event().wait()
            finally:
                done.append("was left")
        if is_claim(request) and not request.json["spec"]["holderIdentity"]:
            done.append("lets go")
        return None

    with Proxy(replicas.plane, as_user=CONTROLLER) as proxy:
        replicas.first = replicas.replica("first", proxy.kubeconfig(tmp_path / "first"))
        replicas.start()
        proxy.on_request = hang
        world.create(organization(), member("alice"), api_key("laptop", "alice"))
        eventually(lambda: done, describe="a request hangs")
        stopped = time.monotonic()
        replicas.first.terminate()
        world.issue("laptop")
        check_promise(seconds_since(stopped), PROMISED_AFTER_SIGTERM)
        replicas.first.stop()
    assert done == ["hangs", "was left", "lets go"]


@pytest.mark.soak
def test_a_leader_that_was_frozen_under_churn_changes_nothing_afterwards(
    world: World, replicas_that_last: MakeReplicas, figure: Figure
) -> None:
    pair, churn = replicas_that_last(LEASE), Churn(world, 4)
    pair.start()
    churn.populate()
    with Witness(pair.plane, world.api.namespace) as witness:
        churn.run(BURST)
        pair.first.pause()  # With work in hand.
        frozen = time.monotonic()
        for step in churn.steps(PACED):
            time.sleep(max((step + 1) * FROZEN_SECONDS / PACED - seconds_since(frozen), 0))
        wait_leads(pair.second)
        check_settled(world)
        churn.run(BURST // 2)
        figure(f"the leader was frozen for {seconds_since(frozen):.0f} s, and {PACED} changes were made meanwhile")
        pair.first.resume()
        churn.run(BURST // 2)
        wait_lost(pair.first)
        check_settled(world)
    assert not witness.revived


@pytest.mark.soak
def test_leaders_that_are_killed_one_after_the_other_lose_no_key(
    world: World, replicas_that_last: MakeReplicas, figure: Figure
) -> None:
    pair, churn = replicas_that_last(None), Churn(world, 5)
    pair.start()
    churn.populate()
    leader, other = pair.first, pair.second
    with Witness(pair.plane, world.api.namespace) as witness:
        for _ in range(KILLS):
            churn.run(BURST)
            led = other.log.count(LEADS)
            leader.kill()  # With work in hand.
            churn.run(BURST)
            eventually(lambda: other.log.count(LEADS) > led, within=30, describe="the other one leads")  # noqa: B023
            leader.start()
            check_settled(world)
            leader, other = other, leader
    figure(f"{KILLS} leaders killed, {2 * KILLS * BURST} changes, looked at {witness.looks} times")
    assert not witness.revived


def test_no_key_is_issued_twice(world: World, audit: Audit, pair: Replicas) -> None:
    world.create(organization(), member("alice"), api_key("first", "alice"))
    world.issue("first")
    world.create(*(api_key(name, "alice") for name in MANY[:15]))
    pair.first.pause()
    world.create(*(api_key(name, "alice") for name in MANY[15:]))
    tokens = world.issue(*MANY, within=30)
    pair.first.resume()
    wait_lost(pair.first)
    check_settled(world)

    assert world.issue(*MANY) == tokens
    created = [entry for entry in audit.writes(resource="secrets") if entry.verb == "create" and entry.code == 201]
    mine = Counter(entry.name for entry in created if entry.namespace == world.api.namespace)
    assert mine == Counter(["first", *MANY])


def test_a_late_write_fails(world: World, replicas: Replicas, tmp_path: Path) -> None:
    with Proxy(replicas.plane, as_user=CONTROLLER) as proxy:
        replicas.first = replicas.replica("first", proxy.kubeconfig(tmp_path / "first"))
        replicas.start()
        world.create(organization(), member("alice"))
        late: list[Request] = []

        async def lose(request: Request) -> Answer:
            if request.resource != "apikeys/status" or not request.is_write:
                return None
            late.append(request)  # It is on its way when the leader stops.
            replicas.first.pause()
            return Reply.failure(503, "ServiceUnavailable")

        proxy.on_request = lose
        world.create(api_key("laptop", "alice"))
        (token,) = world.issue("laptop", within=30).values()
        before = world.api.get("apikeys", "laptop")
        answer = send_again(replicas.plane, late[0]).status_code
        proxy.on_request = None
        replicas.first.resume()
        wait_lost(replicas.first)

    assert answer == requests.codes.conflict
    assert world.api.get("apikeys", "laptop") == before
    assert world.verdict(token) == "Valid"


def test_an_api_server_that_is_away_for_longer_than_the_lease(own_plane: ControlPlane, tmp_path: Path) -> None:
    world, pair = World(Api(own_plane, "acme")), Replicas(own_plane, "acme", tmp_path)
    try:
        pair.start()
        world.create(organization(), member("alice"), api_key("before", "alice"))
        tokens = world.issue("before")
        own_plane.stop_apiserver()
        said = wait_lost(pair.first)
        assert f"couldn't renew Lease tenure-system/tenure-controller for {pair.lease_seconds * 2 / 3:.0f} s" in said
        assert pair.second.running
        assert LEADS not in pair.second.log

        pair.first.start(ready=False)
        eventually(lambda: "Waiting to start: the API server" in pair.first.log, describe="who was the leader waits")
        own_plane.start_apiserver()
        wait_leads(pair.second)
        world.create(api_key("after", "alice"))
        world.issue("after", within=30)
        assert world.issue("before") == tokens
        pair.first.wait_ready()
        eventually(lambda: "waits: " in pair.first.log, describe="it waits for the Lease")
    finally:
        world.api.close()
        pair.stop()
