"""The Lease: who takes it, keeps it, loses it and lets go of it, and who says that it can't take part."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.cluster.identity import CONTROLLER, install_identities
from support.cluster.world import World
from support.faults.exchange import Answer, Exchange, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.observed import value
from support.programs.operator_process import OperatorProcess
from support.programs.replicas import (
    LEADS,
    Replicas,
    delete_lease,
    hold_lease,
    is_claim,
    send_again,
    stored_lease,
    take_election_right,
    usurp_lease,
    wait_leads,
    wait_lost,
)
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

HELD_SECONDS = 3
"""Of the Lease of a dead holder, which needs no time to renew it."""


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
    assert "usurper leads (Lease tenure-system/tenure-controller)" in wait_lost(replicas.first)


@pytest.mark.parametrize("skew", [timedelta(days=-3650), timedelta(days=3650)], ids=["past", "future"])
def test_a_dead_holder_is_waited_for_as_long_as_the_lease_lasts_whatever_its_clock(
    replicas: Replicas, skew: timedelta
) -> None:
    hold_lease(replicas.plane, "somebody", datetime.now(UTC) + skew, HELD_SECONDS)
    held = datetime.now(UTC)
    replicas.first.start()
    wait_leads(replicas.first)
    assert "waits: somebody leads" in replicas.first.log
    lease = stored_lease(replicas.plane) or {}
    assert datetime.fromisoformat(lease["acquireTime"]) - held >= timedelta(seconds=HELD_SECONDS)
    assert lease["leaseTransitions"] == 1


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
    assert f"couldn't renew Lease tenure-system/tenure-controller for {replicas.lease_seconds * 2 / 3:.0f} s" in said
    assert "leases is forbidden" in said


def test_a_renewal_that_hangs_costs_no_lease(
    world: World, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    delete_lease(control_plane)
    pair = Replicas(control_plane, namespace, tmp_path, lease_seconds=15)
    hung: list[Exchange] = []

    async def hang_once(request: Request) -> Answer:
        if is_claim(request) and not hung:
            hung.append(proxy.exchanges[-1])
            await asyncio.Event().wait()
        return None

    def renewed() -> bool:
        claims = [exchange for exchange in proxy.exchanges if is_claim(exchange.request)]
        return bool(hung) and any(later.status == 200 for later in claims[claims.index(hung[0]) + 1 :])

    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        pair.first = pair.replica("first", proxy.kubeconfig(tmp_path / "first"))
        try:
            pair.start()
            proxy.on_request = hang_once
            eventually(renewed, within=15, describe="the Lease was renewed by a second attempt")
            world.create(organization(), member("alice"), api_key("laptop", "alice"))
            world.issue("laptop")
            assert pair.first.running
            assert LEADS not in pair.second.log
        finally:
            pair.stop()


def test_a_claim_that_is_under_way_at_sigterm_is_taken_back(replicas: Replicas, tmp_path: Path) -> None:
    claims: list[asyncio.Task[Reply]] = []

    async def arrive_late(request: Request) -> Reply:
        await asyncio.sleep(0.3)
        answer = await asyncio.to_thread(send_again, replicas.plane, request)
        return Reply(answer.status_code, answer.content, {"Content-Type": "application/json"})

    async def stop(request: Request) -> Answer:
        if not is_claim(request) or claims:
            return None
        replicas.first.terminate()
        claims.append(asyncio.create_task(arrive_late(request)))
        return await asyncio.shield(claims[0])  # It is on its way, whether anybody waits for it or not.

    with Proxy(replicas.plane, as_user=CONTROLLER) as proxy:
        replicas.first = replicas.replica("first", proxy.kubeconfig(tmp_path / "first"))
        proxy.on_request = stop
        replicas.first.start(ready=False)
        eventually(lambda: claims and claims[0].done(), within=30, describe="the claim has arrived")
        assert claims[0].result().status == 201
        eventually(lambda: not replicas.first.running, describe="the replica has ended")
    assert replicas.first.exit_code == 0, replicas.first.log
    assert (stored_lease(replicas.plane) or {}).get("holderIdentity", "") == ""


@pytest.mark.parametrize("verb", ["get", "update"])
def test_a_replica_that_may_not_take_part_is_unready_until_it_may(
    own_plane: ControlPlane, tmp_path: Path, verb: str
) -> None:
    install_identities(own_plane)
    delete_lease(own_plane)
    pair = Replicas(own_plane, "acme", tmp_path)
    pair.first = pair.replica("first", own_plane.kubeconfig)  # An administrator goes on leading.
    try:
        pair.start()
        eventually(lambda: pair.second.ask("readyz")[0] == 200, describe="it is ready")
        take_election_right(own_plane, verb)
        eventually(lambda: pair.second.ask("readyz")[0] == 503, within=30, describe="it is unready")
        said = pair.second.ask("readyz")[1]
        assert "it hasn't taken part in the election for" in said
        assert f'cannot {verb} resource "leases"' in said
        assert value(pair.second, "tenure_ready", component="controller") == 0
        assert pair.second.ask("livez")[0] == 200
        assert pair.first.ask("readyz")[0] == 200
        install_identities(own_plane)
        eventually(lambda: pair.second.ask("readyz")[0] == 200, describe="it is ready again")
    finally:
        pair.stop()


def test_what_is_asked_for_the_election_is_counted(pair: Replicas) -> None:
    def renewals(replica: OperatorProcess) -> float:
        return value(replica, "tenure_api_requests_total", method="PUT", code="200")  # It puts nothing else.

    before = renewals(pair.first)
    eventually(lambda: renewals(pair.first) >= before + 3, describe="renewals are counted")
