"""Suspension of an organization, a member or a key: no token works, nothing is deleted, and all comes back."""

import pytest

from support.cluster.world import Body, World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from tenure.domain.tokens import Token

BOBS = "bobs"
NAMES = ("laptop", "ci", BOBS)

# What to suspend: the object, the change of its spec, the change that takes it back, the keys that it concerns, and
# words of the message.
LEVELS = {
    "organization": ("organizations", "acme", {"suspended": True}, {"suspended": None}, NAMES, "Organization acme"),
    "member": (
        "organizations",
        "acme",
        {"suspendedMembers": [{"name": "alice", "reason": "INC-4711"}]},
        {"suspendedMembers": None},
        ("laptop", "ci"),
        "suspendedMembers",
    ),
    "key": ("apikeys", "laptop", {"suspended": True}, {"suspended": None}, ("laptop",), "spec.suspended"),
}

every_level = pytest.mark.parametrize("level", LEVELS)


def populate(world: World) -> dict[str, Token]:
    world.create(organization(keys={"onRoleChange": "Revoke"}), member("alice"), member("bob"))
    world.create(api_key("laptop", "alice"), api_key("ci", "alice"), api_key(BOBS, "bob"))
    return world.issue(*NAMES)


def suspend(world: World, level: str) -> tuple[str, ...]:
    """Suspend, and return the names of the keys concerned."""
    plural, name, change, _, concerned, _ = LEVELS[level]
    world.api.patch(plural, name, {"spec": change})
    return concerned


def resume(world: World, level: str) -> None:
    plural, name, _, change, _, _ = LEVELS[level]
    world.api.patch(plural, name, {"spec": change})


def secrets(world: World) -> dict[str, Body]:
    """Return every Secret with its resourceVersion and all."""
    return {body["metadata"]["name"]: body for body in world.api.list("secrets")}


@every_level
@pytest.mark.usefixtures("operator")
def test_tokens_stop_and_start_and_their_secrets_stay(world: World, level: str) -> None:
    tokens = populate(world)
    before = secrets(world)

    concerned = suspend(world, level)
    for name in NAMES:
        assert world.verdict(tokens[name]) == ("Suspended" if name in concerned else "Valid")
    for name in concerned:
        (ready,) = world.wait_reason(name, "Suspended")["status"]["conditions"]
        assert (ready["type"], ready["status"]) == ("Ready", "False")
        assert LEVELS[level][-1] in ready["message"]
    world.wait_valid_keys(len(NAMES) - len(concerned))
    assert secrets(world) == before

    resume(world, level)
    assert {world.verdict(token) for token in tokens.values()} == {"Valid"}
    assert world.issue(*NAMES) == tokens
    world.wait_valid_keys(len(NAMES))
    assert secrets(world) == before


@every_level
@pytest.mark.usefixtures("operator")
def test_a_role_change_ends_suspended_keys_for_good(world: World, level: str) -> None:
    tokens = populate(world)
    for name in suspend(world, level):
        world.wait_reason(name, "Suspended")

    world.change_role("alice", "Viewer")

    assert {world.verdict(tokens[name]) for name in ("laptop", "ci")} == {"RoleChanged"}
    for name in ("laptop", "ci"):
        world.wait_gone("secrets", name)
    resume(world, level)
    for name in ("laptop", "ci"):
        world.wait_reason(name, "RoleChanged")
        assert world.token(name) is None
    assert world.issue(BOBS) == {BOBS: tokens[BOBS]}


def test_suspension_needs_no_operator(world: World, operator: OperatorProcess) -> None:
    level = "member"
    tokens = populate(world)
    world.wait_valid_keys(len(NAMES))
    before = secrets(world)
    operator.stop()

    concerned = suspend(world, level)
    assert {world.verdict(tokens[name]) for name in concerned} == {"Suspended"}
    operator.start()
    for name in concerned:
        world.wait_reason(name, "Suspended")
    operator.stop()
    resume(world, level)

    assert {world.verdict(token) for token in tokens.values()} == {"Valid"}
    assert secrets(world) == before


@pytest.mark.usefixtures("operator")
def test_no_token_is_issued_meanwhile(world: World) -> None:
    populate(world)
    suspend(world, "member")
    world.create(api_key("alices", "alice"), api_key("new", "bob", suspended=True))
    for name in ("alices", "new"):
        world.wait_reason(name, "Suspended")
        assert world.token(name) is None
    suspend(world, "organization")
    world.create(api_key("newer", "bob"))
    world.wait_reason("newer", "Suspended")

    resume(world, "organization")
    world.issue("newer")
    resume(world, "member")
    world.issue("alices")
    world.change_key("new", suspended=False)
    world.issue("new")


@pytest.mark.usefixtures("operator")
def test_a_suspended_key_still_ends_at_its_time(world: World) -> None:
    populate(world)
    suspend(world, "key")
    world.wait_reason("laptop", "Suspended")

    world.change_key("laptop", expiresAt="2026-01-01T00:00:00Z")

    world.wait_reason("laptop", "Expired")
    world.wait_gone("secrets", "laptop")


@pytest.mark.usefixtures("operator")
def test_two_suspensions_are_two(world: World) -> None:
    tokens = populate(world)
    for level in ("member", "key"):
        suspend(world, level)
    world.wait_reason("laptop", "Suspended")

    resume(world, "member")
    world.issue("ci")
    assert world.verdict(tokens["laptop"]) == "Suspended"
    world.wait_reason("laptop", "Suspended")

    resume(world, "key")
    assert world.issue("laptop") == {"laptop": tokens["laptop"]}
