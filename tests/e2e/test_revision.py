"""Raising `revision` replaces the token: the old one is dead at once, and the Secret keeps its name."""

import pytest

from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess


@pytest.mark.usefixtures("operator")
def test_raising_it_replaces_the_token_under_the_same_name(world: World) -> None:
    world.create(organization(), member("alice"), api_key("left-out", "alice"), api_key("given", "alice", revision=1))
    world.create(api_key("other", "alice"))
    tokens = world.issue("left-out", "given", "other")

    for name in ("left-out", "given"):
        uid = world.key(name)["status"]["secretUID"]

        world.change_key(name, revision=2)
        assert world.verdict(tokens[name]) in {"Pending", "NotFound"}

        token = world.wait_new_token(name, tokens[name])
        status = world.key(name)["status"]
        assert (status["secretName"], status["issued"]["revision"]) == (name, 2)
        assert status["secretUID"] == uid, "the Secret is changed in place"
        assert world.verdict(token) == "Valid"
        assert world.verdict(tokens[name]) == "NotFound"
    assert world.token("other") == tokens["other"]
    assert world.verdict(tokens["other"]) == "Valid"


@pytest.mark.usefixtures("operator")
def test_the_same_revision_again_changes_nothing(world: World) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop")["laptop"]

    world.change_key("laptop", revision=1)

    assert world.issue("laptop")["laptop"] == old
    assert world.verdict(old) == "Valid"


def test_the_old_token_is_dead_while_the_operator_is_stopped(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop")["laptop"]

    operator.stop()
    world.change_key("laptop", revision=2)
    world.change_key("laptop", revision=7)
    assert world.token("laptop") == old
    assert world.verdict(old) == "Pending"
    operator.start()

    assert world.verdict(world.wait_new_token("laptop", old)) == "Valid"
    assert world.key("laptop")["status"]["issued"]["revision"] == 7
    assert world.verdict(old) == "NotFound"


@pytest.mark.parametrize("stopped", [pytest.param(False, id="running"), pytest.param(True, id="stopped")])
def test_it_revives_a_key_that_a_role_change_left_as_a_tombstone(
    world: World, operator: OperatorProcess, *, stopped: bool
) -> None:
    world.create(organization(keys={"onRoleChange": "Revoke"}), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop")["laptop"]
    world.change_role("alice", "Viewer")
    tombstone = world.wait_reason("laptop", "RoleChanged")
    assert "raise spec.revision" in tombstone["status"]["conditions"][0]["message"]

    if stopped:
        operator.stop()
    world.change_key("laptop", revision=2)
    if stopped:
        operator.start()

    token = world.wait_new_token("laptop", old)
    assert world.key("laptop")["status"]["issued"]["role"] == "Viewer"
    assert world.verdict(token) == "Valid"
    assert world.verdict(old) == "NotFound"


@pytest.mark.usefixtures("operator")
def test_it_does_not_outdo_a_role_that_the_key_is_not_approved_for(world: World) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice", forRole="Member"))
    old = world.issue("laptop")["laptop"]
    world.change_role("alice", "Viewer")
    world.wait_reason("laptop", "RoleMismatch")

    world.change_key("laptop", revision=2)

    world.wait_reason("laptop", "RoleMismatch")
    assert world.token("laptop") is None
    assert world.verdict(old) != "Valid"


def test_raised_along_with_a_role_change_it_is_recorded_as_going_on(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop")["laptop"]

    operator.stop()
    world.change_key("laptop", revision=2)
    world.change_role("alice", "Viewer")
    assert world.verdict(old) == "RoleChanged"
    operator.start()

    assert world.wait_role_change("alice", 2)["keys"] == [{"name": "laptop", "keyId": old.key_id, "fate": "Reissued"}]
    token = world.wait_new_token("laptop", old)
    assert world.key("laptop")["status"]["issued"]["role"] == "Viewer"
    assert world.verdict(token) == "Valid"
    assert world.verdict(old) == "NotFound"
