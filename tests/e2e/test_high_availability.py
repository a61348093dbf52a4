"""Two replicas and a Lease: one reconciles, the other takes over, and the end is the same as with one."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from support.api import Api, ApiRefusedError
from support.audit import Audit
from support.churn import Churn, Witness, check_settled
from support.eventually import eventually
from support.exchange import Answer, Reply, Request
from support.identity import CONTROLLER, config_of
from support.manifests import api_key, member, organization
from support.proxy import Proxy
from support.refused_start import refused_start
from support.replicas import (
    LEADS,
    LEASE_SECONDS,
    Replicas,
    delete_lease,
    hold_lease,
    seconds_since,
    stored_lease,
    usurp_lease,
    wait_leads,
    wait_lost,
)
from support.sweeps import lists_through, wait_sweeps
from support.world import World
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.paths import CRDS

STEPS = 60
PROMISED_AFTER_KILL = 20.0
PROMISED_AFTER_SIGTERM = 2.0
MANY = [f"key-{number}" for number in range(30)]


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane whose API server may be stopped: it refuses everybody for a moment once it starts again."""
    with ControlPlane.start(find_or_build(), tmp_path_factory.mktemp("own-plane"), crds=CRDS) as plane:
        plane.kubectl("create", "namespace", "acme")
        plane.kubectl("create", "namespace", "judged")
        yield plane


@pytest.fixture
def replicas(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Replicas]:
    """Give two replicas that aren't started, and no Lease that another test left behind."""
    delete_lease(control_plane)
    replicas = Replicas(control_plane, namespace, tmp_path)
    yield replicas
    replicas.stop()


@pytest.fixture
def pair(replicas: Replicas) -> Replicas:
    """Give two replicas that run; the first one leads."""
    replicas.start()
    return replicas


def test_only_the_leader_writes(world: World, replicas: Replicas, tmp_path: Path) -> None:
    plane = replicas.plane
    with Proxy(plane, as_user=CONTROLLER) as behind_first, Proxy(plane, as_user=CONTROLLER) as behind_second:
        replicas.first = replicas.replica("first", behind_first.kubeconfig(tmp_path / "first"))
        replicas.second = replicas.replica("second", behind_second.kubeconfig(tmp_path / "second"))
        replicas.start()
        churn = Churn(world, 3)
        churn.populate()
        for _ in churn.steps(20):
            pass
        check_settled(world)
        wait_sweeps(lists_through(behind_second), 2)
        replicas.stop()
    assert [exchange for exchange in behind_first.writes() if exchange.request.resource == "apikeys/status"]
    # It tries once, as a dry-run, whether it may write Leases where Tenure lives.
    assert {(e.request.resource, e.request.query.get("dryRun")) for e in behind_second.writes()} == {("leases", "All")}


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


def test_a_leader_frozen_under_churn_changes_nothing_afterwards(
    world: World, control_plane: ControlPlane, pair: Replicas
) -> None:
    churn = Churn(world, 4)
    churn.populate()
    with Witness(control_plane, world.api.namespace) as witness:
        for step in churn.steps(STEPS):
            if step == STEPS // 3:
                pair.first.pause()
            if step == 2 * STEPS // 3:
                wait_leads(pair.second)
        check_settled(world)
        pair.first.resume()
        wait_lost(pair.first)
        check_settled(world)
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
        answer = _send(replicas.plane, late[0])
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

        own_plane.start_apiserver()
        wait_leads(pair.second)
        world.create(api_key("after", "alice"))
        world.issue("after", within=30)
        assert world.issue("before") == tokens
        pair.first.start()
        eventually(lambda: "waits: " in pair.first.log, describe="who was the leader waits")
    finally:
        world.api.close()
        pair.stop()


def test_a_replica_that_waits_judges_changes(own_plane: ControlPlane, tmp_path: Path) -> None:
    delete_lease(own_plane)
    world, pair = World(Api(own_plane, "judged")), Replicas(own_plane, "judged", tmp_path)
    ports = (*free_ports(1), webhooks.install(own_plane))  # Changes are sent to the second one.
    pair.first, pair.second = (
        pair.replica(
            f"judge-{port}", own_plane.kubeconfig, "--webhooks", "--webhook-host=127.0.0.1", f"--webhook-port={port}"
        )
        for port in ports
    )
    try:
        pair.start()
        eventually(lambda: webhooks.READY_LINE in pair.second.log, within=30, describe="requests are judged")
        world.create(organization(), member("olga", "Owner"))
        with pytest.raises(ApiRefusedError, match="is the only Owner"):
            world.change_role("olga", "Member")
        assert LEADS not in pair.second.log
    finally:
        world.api.close()
        pair.stop()


def test_a_deleted_lease_is_still_its_holders(world: World, pair: Replicas) -> None:
    holder = (stored_lease(pair.plane) or {})["holderIdentity"]
    for number in range(3):
        delete_lease(pair.plane)
        eventually(lambda: stored_lease(pair.plane) is not None, describe="the Lease is there again")
        assert (stored_lease(pair.plane) or {})["holderIdentity"] == holder, number
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop")
    assert pair.first.running
    assert LEADS not in pair.second.log


def test_a_leader_ends_when_another_one_holds_the_lease(replicas: Replicas) -> None:
    replicas.first.start()
    wait_leads(replicas.first)
    usurp_lease(replicas.plane, "usurper")
    assert "usurper holds Lease tenure-system/tenure-controller" in wait_lost(replicas.first)


@pytest.mark.parametrize("skew", [timedelta(days=-3650), timedelta(days=3650)], ids=["past", "future"])
def test_a_dead_holder_is_waited_for_as_long_as_the_lease_lasts_whatever_its_clock(
    replicas: Replicas, skew: timedelta
) -> None:
    hold_lease(replicas.plane, "somebody", datetime.now(UTC) + skew)
    replicas.first.start()
    eventually(lambda: "waits: somebody leads" in replicas.first.log, every=0.01, describe="the replica waits")
    waits = time.monotonic()
    wait_leads(replicas.first)
    assert LEASE_SECONDS - 1 <= seconds_since(waits) <= LEASE_SECONDS + 2
    assert (stored_lease(replicas.plane) or {})["leaseTransitions"] == 1


def test_a_leader_that_may_not_renew_any_more_ends(replicas: Replicas, tmp_path: Path) -> None:
    async def forbid(request: Request) -> Answer:
        is_renewal = request.resource == "leases" and request.method == "PUT"
        return Reply.failure(403, "Forbidden", "leases is forbidden") if is_renewal else None

    with Proxy(replicas.plane, as_user=CONTROLLER) as proxy:
        replicas.first = replicas.replica("first", proxy.kubeconfig(tmp_path / "first"))
        replicas.start()
        proxy.on_request = forbid
        said = wait_lost(replicas.first)
        wait_leads(replicas.second)
    assert "couldn't be renewed for 2 s" in said
    assert "leases is forbidden" in said


def test_both_replicas_are_ready_and_say_who_leads(replicas: Replicas) -> None:
    replicas.start()
    holder = (stored_lease(replicas.plane) or {})["holderIdentity"]
    for path in ("readyz", "livez"):
        assert replicas.first.ask(path) == (200, f"ok\nleader: {holder} (this replica)\n")
        assert replicas.second.ask(path) == (200, f"ok\nleader: {holder}\n")


def test_a_missing_right_is_named(control_plane: ControlPlane, namespace: str) -> None:
    arguments = ("--no-webhooks", "--leader-election", "--system-namespace", namespace)
    said = refused_start(config_of(control_plane, CONTROLLER), *arguments)
    assert said == (
        f"tenure: missing rights: create leases.coordination.k8s.io in namespace {namespace}; "
        f"get leases.coordination.k8s.io named tenure-controller in namespace {namespace}; "
        f"update leases.coordination.k8s.io named tenure-controller in namespace {namespace}; "
        "grant them to the identity that the operator runs as"
    )


def _send(plane: ControlPlane, request: Request) -> int:
    """Send a request as it was, as it arrives after a long way; the status of its answer."""
    credentials = (str(plane.admin.certificate), str(plane.admin.key))
    headers = {"Content-Type": request.headers["Content-Type"], "Impersonate-User": CONTROLLER}
    return requests.request(
        request.method,
        plane.server + request.url,
        data=request.body,
        headers=headers,
        cert=credentials,
        verify=str(plane.certificate_authority),
        timeout=10,
    ).status_code
