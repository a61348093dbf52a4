"""An acceptance on a real API server: by either replica, once, and only for the role that the link names."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import pytest
import requests

from mail.conftest import Replicas, form_of, send
from support.cluster.identity import MAIL, config_of
from support.cluster.world import World
from support.objects import manifests
from support.programs.accept_page import now
from support.run.slowness import NEVER
from tenure.domain.invitations.links import Claim, Standing
from tenure.domain.resources import Membership, Resource
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect
from tenure.mail.acceptance import Acceptance
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]
R = TypeVar("R", bound=Resource)


def test_one_replica_shows_and_the_other_accepts(world: World, replicas: Replicas) -> None:
    world.organization(invitations={"mode": "RequireAcceptance", "language": "de"})
    (alice,) = world.create(manifests.member("alice", "Viewer"))
    kept = {"observedGeneration": 1, "username": "alice@acme.io"}
    alice = world.api.patch("memberships", "alice", {"status": kept}, subresource="status")
    shown, other = replicas.link(alice)
    before = world.member("alice")["metadata"]["resourceVersion"]
    form = form_of(shown)
    assert world.member("alice")["metadata"]["resourceVersion"] == before, "a look changes nothing"

    # Both replicas get the same form at once, as after a double click.
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(send, (shown, other), (form, form)))

    assert [(answer.status_code, "Willkommen bei" in answer.text) for answer in answers] == [(200, True)] * 2
    stored = world.member("alice")
    assert stored["status"].keys() == {"observedGeneration", "username", "invitation"}
    assert stored["status"]["invitation"].keys() == {"acceptedAt"}
    managers = {one["manager"] for one in stored["metadata"]["managedFields"] if "f:invitation" in str(one)}
    assert managers == {"tenure-mail"}
    assert {requests.get(url, timeout=NEVER).status_code for url in (shown, other)} == {404}


CHANGES: dict[str, Callable[[World], object]] = {
    "the role changed": lambda world: world.change_role("alice", "Owner"),
    "changed and changed back": lambda world: [world.change_role("alice", role) for role in ("Owner", "Viewer")],
    "removed": lambda world: world.api.delete("memberships", "alice"),
    "removed and invited again": lambda world: (
        world.api.delete("memberships", "alice"),
        world.create(manifests.member("alice", "Viewer")),
    ),
    "being removed": lambda world: world.api.delete("memberships", "alice"),
    "the organization is gone": lambda world: world.api.delete("organizations", "acme"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_the_look_is_not_accepted(world: World, replicas: Replicas, change: str) -> None:
    """The page is open while it happens, and no replica may trust what it has in memory."""
    world.organization(invitations={"mode": "RequireAcceptance"})
    body = manifests.member("alice", "Viewer")
    (alice,) = world.create(manifests.held(body) if change == "being removed" else body)
    shown, other = replicas.link(alice)
    form = form_of(shown)
    CHANGES[change](world)
    answers = [send(url, form) for url in (shown, other)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert "ask the person who invited you" in answers[0].text
    stored = world.api.get("memberships", "alice")
    assert stored is None or "invitation" not in stored.get("status", {})


class Overtaken(Cluster):
    """A client during whose reads the role changes, after the Membership was read."""

    world: World

    async def list_in(self, resource: type[R], namespace: str, *, selector: str = "") -> list[R]:
        self.world.change_role("alice", "Owner")
        return await super().list_in(resource, namespace, selector=selector)


async def test_a_change_between_the_read_and_the_write_is_not_accepted(
    world: World, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.organization(invitations={"mode": "RequireAcceptance"})
    (body,) = world.create(manifests.member("alice", "Viewer"))
    claim = Claim.of(Membership.from_body(body), now() + timedelta(hours=1))
    place = world.api.namespace, "alice"
    monkeypatch.setenv("KUBECONFIG", str(config_of(control_plane, MAIL)))
    async with Overtaken(await connect(), field_manager="tenure-mail") as cluster:
        cluster.world = world
        assert await Acceptance(cluster, lambda _: place, now).accept(claim) == (Standing.DEAD, None)
    assert "invitation" not in world.member("alice").get("status", {})
