"""Service accounts are no persons: no role change ends their keys, their own included; `forRole` alone ties a key."""

import pytest

from support.api.api import ApiRefusedError
from support.cluster.world import World
from support.objects.manifests import api_key, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.roles import Capability, Level, Role, capabilities

KEYS = ("deploy", "backup")
NO_OWNER = "role: a ServiceAccount can't be Owner. Use Member, Analyst or Viewer"


def populate(world: World) -> None:
    world.create(organization(), service_account("ci"), member("alice"), member("bob", "Owner"))
    world.create(*(api_key(name, "ci") for name in KEYS), api_key("laptop", "alice"), api_key("server", "bob"))


def levels(role: str) -> dict[str, str]:
    """Return what a role opens as a Membership's status says it."""
    opened: dict[Capability, Level] = capabilities(Role(role))
    return {capability.value: level.label for capability, level in opened.items()}


@pytest.mark.parametrize("downtime", [pytest.param(False, id="running"), pytest.param(True, id="stopped")])
def test_keys_survive_everybodys_role_changes_and_their_own(
    world: World, operator: OperatorProcess, *, downtime: bool
) -> None:
    populate(world)
    tokens = world.issue(*KEYS, "laptop", "server")
    before = {name: world.key(name)["metadata"] for name in KEYS}

    if downtime:
        operator.stop()
    for name, role in (("alice", "Viewer"), ("bob", "Analyst"), ("ci", "Viewer"), ("ci", "Analyst")):
        world.change_role(name, role)
    assert {name: world.verdict(token) for name, token in tokens.items() if name in KEYS} == dict.fromkeys(
        KEYS, "Valid"
    )
    if downtime:
        operator.start()

    for name in ("laptop", "server"):
        world.wait_gone("apikeys", name)
    world.wait_valid_keys(len(KEYS))
    for name in KEYS:
        assert world.issue(name)[name] == tokens[name]
        assert world.verdict(tokens[name]) == "Valid"
        assert world.key(name)["metadata"]["uid"] == before[name]["uid"]
        assert world.key(name)["status"]["subjectKind"] == "ServiceAccount"
    assert world.wait_role_change("ci", 3)["keys"] == []


@pytest.mark.usefixtures("operator")
def test_capabilities_follow_the_live_role(world: World) -> None:
    world.create(organization(), service_account("ci"), api_key("deploy", "ci"))
    token = world.issue("deploy")["deploy"]

    for generation, role in ((2, "Viewer"), (3, "Analyst"), (4, "Member")):
        world.change_role("ci", role)

        world.wait_role_change("ci", generation)
        status = world.wait_reason("ci", "Active", plural="memberships")["status"]
        assert (status["role"], status["capabilities"]) == (role, levels(role))
        assert status["keyCount"] == 1
        assert world.verdict(token) == "Valid"
    assert world.token("deploy") == token


@pytest.mark.usefixtures("operator")
def test_a_key_with_for_role_falls_with_the_role_and_the_others_stay(world: World) -> None:
    world.create(organization(), service_account("ci"))
    world.create(api_key("tied", "ci", forRole="Member"), api_key("free", "ci"))
    tokens = world.issue("tied", "free")

    world.change_role("ci", "Viewer")
    assert world.verdict(tokens["tied"]) == "RoleMismatch"

    world.wait_reason("tied", "RoleMismatch")
    world.wait_gone("secrets", "tied")
    assert world.wait_role_change("ci", 2)["keys"] == [
        {"name": "tied", "keyId": tokens["tied"].key_id, "fate": "Revoked"}
    ]
    assert world.verdict(tokens["free"]) == "Valid"
    assert world.token("free") == tokens["free"]

    world.change_key("tied", forRole="Viewer")
    assert world.verdict(world.wait_new_token("tied", tokens["tied"])) == "Valid"
    assert world.verdict(tokens["tied"]) == "NotFound"


def test_a_key_with_for_role_falls_with_a_change_there_and_back_too(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), service_account("ci"))
    world.create(api_key("tied", "ci", forRole="Member"), api_key("free", "ci"))
    tokens = world.issue("tied", "free")

    operator.stop()
    for role in ("Viewer", "Member"):
        world.change_role("ci", role)
    assert world.verdict(tokens["tied"]) == "RoleChanged"
    operator.start()

    assert world.verdict(world.wait_new_token("tied", tokens["tied"])) == "Valid"
    assert world.verdict(tokens["tied"]) == "NotFound"
    assert world.token("free") == tokens["free"]
    assert world.verdict(tokens["free"]) == "Valid"
    ended = world.wait_role_change("ci", 3)["keys"]
    assert ended == [{"name": "tied", "keyId": tokens["tied"].key_id, "fate": "Reissued"}]


def test_a_key_is_tied_to_the_role_by_approving_it_later(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), service_account("ci"), api_key("deploy", "ci"))
    token = world.issue("deploy")["deploy"]

    world.change_key("deploy", forRole="Member")
    assert world.issue("deploy")["deploy"] == token
    assert world.verdict(token) == "Valid"

    operator.stop()
    for role in ("Viewer", "Member"):
        world.change_role("ci", role)
    assert world.verdict(token) == "RoleChanged"
    operator.start()
    assert world.verdict(world.wait_new_token("deploy", token)) == "Valid"
    assert world.verdict(token) == "NotFound"


def test_taking_the_approval_away_revives_no_token(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), service_account("ci"), api_key("tied", "ci", forRole="Member"))
    old = world.issue("tied")["tied"]

    operator.stop()
    world.change_role("ci", "Viewer")
    assert world.verdict(old) == "RoleMismatch"
    world.change_key("tied", forRole=None)
    assert world.verdict(old) != "Valid"
    operator.start()

    eventually(lambda: world.token("tied") != old, describe="the Secret is gone or replaced")
    assert world.verdict(old) != "Valid"


def test_an_owner_is_refused(world: World) -> None:
    refusal = world.try_create(service_account("ci", "Owner"))
    assert refusal is not None
    assert refusal.code == 422
    assert NO_OWNER in refusal.body["message"]
    assert world.api.list("memberships") == []

    (before,) = world.create(service_account("ci"))
    with pytest.raises(ApiRefusedError) as promotion:
        world.change_role("ci", "Owner")
    assert promotion.value.code == 422
    assert NO_OWNER in promotion.value.body["message"]
    assert world.member("ci") == before


@pytest.mark.usefixtures("operator")
def test_they_never_count_as_owners(world: World) -> None:
    world.create(organization(), service_account("ci"), member("bob", "Owner"), api_key("deploy", "ci"))
    world.issue("deploy")

    status = world.wait_valid_keys(1)["status"]

    assert status["owners"] == ["bob"]
    assert (status["members"]["owner"], status["members"]["member"]) == (1, 1)
