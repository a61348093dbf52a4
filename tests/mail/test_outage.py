"""A mail server that is down for a day: letters wait without a write for each try, and then each arrives once."""

import asyncio
from datetime import datetime, timedelta

import pytest

from support.cluster.world import World
from support.objects import manifests
from support.objects.builders import condition
from support.objects.letters import role_change
from support.programs.accept_page import KEY, now
from support.programs.mail_server import SENDER, Mailbox, mail_server, settings_of
from support.run.eventually import eventually
from tenure.domain.letters.rates import Limits
from tenure.domain.resources.base import format_time
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect
from tenure.kube.names import MAIL_LEDGER
from tenure.mail.letters.desk import Desk
from tenure.mail.letters.ledger_map import LedgerMap, RecordMap
from tenure.mail.letters.rounds import Rounds
from tenure.mail.letters.smtp import connector
from tenure.mail.letters.templates import Templates
from tenure.mail.store import Store
from tenure.observability.metrics import Meter
from tenure_dev.controlplane import ControlPlane, free_ports

MEMBERS = ("alice", "bob", "carol")
TRY = timedelta(minutes=20)


class MovedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = now() + timedelta(hours=1)

    def __call__(self) -> datetime:
        return self.now


def members_who_wait(world: World, clock: MovedClock) -> None:
    """Create an organization with invited members, and one whose role has changed."""
    world.organization(invitations={"mode": "RequireAcceptance"}, notifications={"roleChanged": True})
    noted = format_time(clock.now - timedelta(days=9))
    status = {"observedGeneration": 1, "invitationsSince": noted, "acceptanceSince": noted}
    world.api.patch("organizations", "acme", {"status": status}, subresource="status")
    for name in (*MEMBERS, "olga"):
        world.create(manifests.member(name, "Member"))
        ready = {"observedGeneration": 1, "conditions": [condition("Ready", "Active", holds=True)]}
        world.api.patch("memberships", name, {"status": ready}, subresource="status")
    world.change_role("olga", "Viewer")


def change_of_olga(world: World, clock: MovedClock) -> None:
    """Note olga's role change, who accepted long ago."""
    told = {"generation": 1, "sentAt": format_time(clock.now), "acceptedAt": format_time(clock.now)}
    status = {"lastRoleChange": role_change(2, clock.now), "invitation": told}
    world.api.patch("memberships", "olga", {"status": status}, subresource="status")


def rounds_of(cluster: Cluster, store: Store, place: str, port: int, clock: MovedClock) -> Rounds:
    """The rounds of a leader whose ledger is in the world's own namespace."""
    return Rounds(
        cluster=cluster,
        store=store,
        ledger_map=LedgerMap(cluster, place, b"key"),
        record_map=RecordMap(cluster, place),
        desk=Desk(Templates(), SENDER, "https://join.acme.io", lambda: [KEY]),
        connect=connector(settings_of(port)),
        limits=Limits(),
        clock=clock,
        meter=Meter(),
    )


async def test_after_a_day_without_a_mail_server_each_letter_arrives_once(
    world: World, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.setattr("tenure.domain.invitations.state.ARRIVAL", -timedelta(hours=1))
    clock, (port,) = MovedClock(), free_ports(1)
    place, mailbox = world.api.namespace, Mailbox()
    members_who_wait(world, clock)
    async with Cluster(await connect(), field_manager="tenure-mail") as cluster:
        store = Store(cluster, [place])
        async with store.running():
            await asyncio.to_thread(
                eventually, lambda: not store.why_not_ready(), within=60, describe="everything is listed"
            )
            rounds = rounds_of(cluster, store, place, port, clock)
            await rounds.round()
            clock.now += timedelta(minutes=1)
            change_of_olga(world, clock)
            clock.now += timedelta(minutes=1)
            await asyncio.to_thread(
                eventually, lambda: waits_in(store, place), within=60, describe="the statuses are watched"
            )
            await rounds.round()
            await asyncio.to_thread(
                eventually, lambda: seen(store, place, world), within=60, describe="the round's writes are watched"
            )
            before = versions(world)
            for _ in range(timedelta(hours=24) // TRY):
                clock.now += TRY
                assert not await rounds.round(), "nothing was sent"
            assert versions(world) == before, "nothing is written for a try"
            assert rounds.backoff.trouble
            with mail_server(mailbox, port):
                clock.now += TRY
                while await rounds.round():
                    continue
    kinds = sorted(one.partition("@")[0].rpartition(".")[2] for one in mailbox.ids)
    assert kinds == ["invited"] * len(MEMBERS) + ["rolechanged"]
    assert {str(message["To"]) for message in mailbox.messages} == {f"{name}@acme.io" for name in (*MEMBERS, "olga")}
    assert {world.member(name)["status"]["invitation"]["delivery"] for name in MEMBERS} == {"Sent"}


def waits_in(store: Store, place: str) -> bool:
    """Whether the watch has shown what the first round and the test wrote."""
    by_name = {one.name: one.status for one in store.members(place)}
    told = [status.invitation for name, status in by_name.items() if name in MEMBERS]
    return all(one is not None and one.delivery == "Waiting" for one in told) and (
        by_name["olga"].last_role_change is not None
    )


def seen(store: Store, place: str, world: World) -> bool:
    """Whether the watch has shown the members as they are. A round that knows an older one writes its status again."""
    shown = {one.name: one.metadata.resource_version for one in store.members(place)}
    return shown == {
        body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in world.api.list("memberships")
    }


def versions(world: World) -> list[str]:
    """The versions of the ledger and of all members."""
    ledger = world.api.get("configmaps", MAIL_LEDGER)
    bodies = [world.member(name) for name in (*MEMBERS, "olga")]
    return [body["metadata"]["resourceVersion"] for body in (ledger, *bodies) if body is not None]
