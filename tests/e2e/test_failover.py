"""The leader stops, dies, freezes or loses the API server: another replica takes over, and the end is as with one."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import requests

from support.api import Api
from support.audit import Audit
from support.churn import Churn, Witness, check_settled
from support.eventually import eventually
from support.exchange import Answer, Reply, Request
from support.identity import CONTROLLER
from support.manifests import api_key, member, organization
from support.proxy import Proxy
from support.replicas import (
    LEADS,
    LEASE_SECONDS,
    Replicas,
    delete_lease,
    is_claim,
    seconds_since,
    send_again,
    wait_leads,
    wait_lost,
)
from support.world import World
from tenure_dev.controlplane import ControlPlane

BURST, PACED = 20, 120
"""Changes: as fast as they can be made, and spread over the time for which the leader is frozen."""

FROZEN_SECONDS = 60.0
PROMISED_AFTER_KILL = 20.0
PROMISED_AFTER_SIGTERM = 2.0
MANY = [f"key-{number}" for number in range(30)]


def test_another_replica_issues_keys_after_a_kill(
    world: World, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    delete_lease(control_plane)
    replicas = Replicas(control_plane, namespace, tmp_path, lease_seconds=15)
    try:
        replicas.start()
        world.create(organization(), member("alice"), api_key("before", "alice"))
        world.issue("before")
        killed = time.monotonic()
        replicas.first.kill()
        world.create(api_key("after", "alice"))
        world.issue("after", within=30)
        assert seconds_since(killed) <= PROMISED_AFTER_KILL
    finally:
        replicas.stop()


def test_another_replica_issues_keys_after_a_stop(world: World, pair: Replicas) -> None:
    world.create(organization(), member("alice"), api_key("before", "alice"))
    world.issue("before")
    stopped = time.monotonic()
    pair.first.terminate()
    eventually(lambda: "released: " in pair.first.log, every=0.01, describe="the Lease is released")
    world.create(api_key("after", "alice"))
    world.issue("after")
    assert seconds_since(stopped) <= PROMISED_AFTER_SIGTERM
    pair.first.stop()
    assert LEADS in pair.second.log


def test_a_leader_that_is_told_to_stop_leaves_a_request_that_hangs_and_then_lets_go(
    world: World, replicas: Replicas, tmp_path: Path
) -> None:
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
        assert seconds_since(stopped) <= PROMISED_AFTER_SIGTERM
        replicas.first.stop()
    assert done == ["hangs", "was left", "lets go"]


def test_a_leader_frozen_for_a_minute_under_churn_changes_nothing_afterwards(
    world: World, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    delete_lease(control_plane)
    pair = Replicas(control_plane, namespace, tmp_path, lease_seconds=15)
    churn = Churn(world, 4)
    try:
        pair.start()
        churn.populate()
        with Witness(control_plane, namespace) as witness:
            for _ in churn.steps(BURST):
                pass
            pair.first.pause()  # With work in hand.
            frozen = time.monotonic()
            for step in churn.steps(PACED):
                time.sleep(max((step + 1) * FROZEN_SECONDS / PACED - seconds_since(frozen), 0))
            wait_leads(pair.second)
            check_settled(world)
            assert seconds_since(frozen) >= FROZEN_SECONDS
            for step in churn.steps(BURST):
                if step == BURST // 2:
                    pair.first.resume()
            wait_lost(pair.first)
            check_settled(world)
        assert not witness.revived
    finally:
        pair.stop()


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
        assert f"couldn't be renewed for {LEASE_SECONDS * 2 / 3:.0f} s" in said
        assert pair.second.running
        assert LEADS not in pair.second.log

        pair.first.start(ready=False)
        eventually(lambda: "waits to start: the API server" in pair.first.log, describe="who was the leader waits")
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
