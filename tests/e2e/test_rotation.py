"""A rotation replaces the token without an interruption, and everything that revokes a key revokes both tokens."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.api.client import fresh_namespace
from support.cluster.world import Body, World
from support.faults.exchange import DROP, Answer, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane


def rotate(world: World, name: str = "laptop", *, request: int = 1, overlap: str | None = None) -> None:
    world.change_key(name, rotation={"request": request, "overlap": overlap})


def key_if(world: World, field: str) -> Body | None:
    """The key's status once it has a field."""
    status: Body = world.key("laptop")["status"]
    return status if field in status else None


def wait_rotated(world: World) -> Body:
    status = eventually(lambda: key_if(world, "previous"), within=30, describe="the key is rotated")
    assert status is not None
    return status


@pytest.mark.usefixtures("operator")
def test_a_higher_revision_within_the_overlap_revokes_both_at_once(world: World) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop")["laptop"]
    rotate(world)
    status = wait_rotated(world)
    middle = world.token("laptop")
    assert middle is not None
    assert {world.verdict(token) for token in (old, middle)} == {"Valid"}

    world.change_key("laptop", revision=2)
    assert {world.verdict(token) for token in (old, middle)} <= {"Pending", "NotFound"}

    newest = world.wait_new_token("laptop", middle)
    assert world.verdict(newest) == "Valid"
    assert {world.verdict(token) for token in (old, middle)} == {"NotFound"}
    assert world.key("laptop")["status"]["secretUID"] == status["secretUID"]


@pytest.mark.usefixtures("operator")
def test_a_role_change_within_the_overlap_revokes_and_records_both(world: World) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop")["laptop"]
    rotate(world)
    wait_rotated(world)
    new = world.token("laptop")
    assert new is not None
    listed = eventually(lambda: _former_of(world), describe="the Membership lists the former token")
    assert listed is not None
    assert listed["keyId"] == old.key_id

    world.change_role("alice", "Viewer")
    assert {world.verdict(token) for token in (old, new)} <= {"RoleChanged", "NotFound"}

    record = world.wait_role_change("alice", 2)
    assert {key["keyId"] for key in record["keys"]} == {old.key_id, new.key_id}
    world.wait_gone("secrets", "laptop")


def _former_of(world: World) -> Body | None:
    (key,) = world.member("alice")["status"].get("keys") or [{}]
    former: Body | None = key.get("former")
    return former


@contextmanager
def held_back(plane: ControlPlane, folder: Path, number: int) -> Iterator[tuple[list[World], list[str]]]:
    """Namespaces of an operator that announces tokens and can't deliver them, and a list of those where it may."""
    free: list[str] = []

    async def hold(request: Request) -> Answer:
        held = request.method == "PATCH" and request.resource == "secrets" and request.namespace not in free
        return DROP if held else None

    with ExitStack() as stack:
        worlds = [World(stack.enter_context(fresh_namespace(plane))) for _ in range(number)]
        proxy = stack.enter_context(Proxy(plane))
        proxy.on_request = hold
        served = (f"--namespace={world.api.namespace}" for world in worlds)
        config = proxy.kubeconfig(folder / "proxy.kubeconfig")
        stack.enter_context(OperatorProcess(config, folder / "operator.log", "--resync=2", *served))
        yield worlds, free


def test_between_announcement_and_delivery_everything_still_ends_or_mends(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    with held_back(control_plane, tmp_path, 4) as (worlds, free):
        changed, deleted, edited, suspended = worlds
        olds = [_announce(world) for world in worlds]
        for world, old in zip(worlds, olds, strict=True):
            status = world.key("laptop")["status"]
            (rotating,) = (one for one in status["conditions"] if one["type"] == "Rotating")
            assert (rotating["status"], rotating["reason"]) == ("True", "Announced")
            assert (world.token("laptop"), world.verdict(old)) == (old, "Valid")

        changed.change_role("alice", "Viewer")
        deleted.api.delete("secrets", "laptop")
        edited.api.patch("secrets", "laptop", {"data": {"token": "bm9uZQ=="}})
        suspended.change_key("laptop", suspended=True)
        assert suspended.verdict(olds[3]) == "Suspended"

        successor = changed.member("alice")
        eventually(lambda: changed.api.get("secrets", "laptop") is None, within=30, describe="the Secret is gone")
        record = changed.wait_role_change("alice", successor["metadata"]["generation"], within=30)
        assert len({key["keyId"] for key in record["keys"]}) == 2, "the present token and the announced one"
        for world, old in ((deleted, olds[1]), (edited, olds[2])):
            assert world.verdict(world.wait_new_token("laptop", old, within=60)) == "Valid"
            assert "next" not in world.key("laptop")["status"]

        free.append(suspended.api.namespace)
        suspended.change_key("laptop", suspended=None)
        wait_rotated(suspended)
        assert suspended.verdict(olds[3]) == "Valid"


def _announce(world: World) -> Token:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop", within=60)["laptop"]
    rotate(world)
    eventually(lambda: key_if(world, "next"), within=60, describe="the next token is announced")
    return old
