"""Two replicas: one reconciles, both are ready and judge changes, and a start that can't elect is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api.api import Api, ApiRefusedError
from support.cluster.authority import registered
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import World
from support.faults.proxy import Proxy
from support.load.churn import Churn, check_settled
from support.objects.manifests import member, organization
from support.programs.refused_start import refused_start
from support.programs.replicas import (
    LASTING_SECONDS,
    LEADS,
    Replicas,
    delete_lease,
    stored_lease,
)
from support.programs.rights import refusal
from support.run.eventually import eventually
from support.run.sweeps import lists_through, wait_sweeps
from tenure_dev import webhooks
from tenure_dev.controlplane import ControlPlane, free_ports


@pytest.mark.parametrize("replicas", [LASTING_SECONDS], indirect=True, ids=["a lasting Lease"])
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
        written = behind_second.writes()  # Once the first one stops, the second one leads.
        replicas.stop()
    assert [exchange for exchange in behind_first.writes() if exchange.request.resource == "apikeys/status"]
    # It tries as a dry-run whether it may write Leases where Tenure lives.
    assert {(e.request.resource, e.request.query.get("dryRun")) for e in written} == {("leases", "All")}


@pytest.fixture
def port(own_plane: ControlPlane) -> Iterator[int]:
    """Give the port that changes are sent to."""
    with registered(own_plane) as port:
        yield port


def test_a_replica_that_waits_judges_changes(own_plane: ControlPlane, port: int, tmp_path: Path) -> None:
    delete_lease(own_plane)
    world, pair = World(Api(own_plane, "judged")), Replicas(own_plane, "judged", tmp_path)
    pair.first, pair.second = (
        pair.replica(
            f"judge-{own}", own_plane.kubeconfig, "--webhooks", "--webhook-host=127.0.0.1", f"--webhook-port={own}"
        )
        for own in (*free_ports(1), port)
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


def test_both_replicas_are_ready_and_say_who_leads(replicas: Replicas) -> None:
    replicas.start()
    holder = (stored_lease(replicas.plane) or {})["holderIdentity"]
    for path in ("readyz", "livez"):
        assert replicas.first.ask(path) == (200, f"ok\nleader: {holder} (this replica)\n")
        assert replicas.second.ask(path) == (200, f"ok\nleader: {holder}\n")


def test_a_missing_right_is_named(control_plane: ControlPlane, namespace: str) -> None:
    arguments = ("--no-webhooks", "--leader-election", "--system-namespace", namespace)
    said = refused_start(config_of(control_plane, CONTROLLER), *arguments)
    assert said == refusal(
        f"create leases.coordination.k8s.io in namespace {namespace}",
        f"get leases.coordination.k8s.io named tenure-controller in namespace {namespace}",
        f"update leases.coordination.k8s.io named tenure-controller in namespace {namespace}",
    )
