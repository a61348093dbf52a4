"""A key is handed over in place, and each of its tokens lives as long as the role of its own member."""

import pytest

from support.cluster.world import World
from support.objects.manifests import api_key, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually


@pytest.mark.usefixtures("operator")
def test_a_persons_key_becomes_a_service_accounts_without_a_gap(world: World) -> None:
    world.create(organization(), member("alice"), service_account("ci"), api_key("deploy", "alice"))
    old = world.issue("deploy")["deploy"]
    before = world.key("deploy")["status"]

    world.change_key("deploy", membership="ci")
    new = world.wait_new_token("deploy", old, within=30)
    status = world.key("deploy")["status"]
    assert status["secretUID"] == before["secretUID"]
    assert (status["issued"]["membership"], status["previous"]["issued"]["membership"]) == ("ci", "alice")
    assert {world.verdict(token) for token in (old, new)} == {"Valid"}

    def listed() -> list[tuple[str, str | None]]:
        keys = [world.member(name)["status"].get("keys") or [] for name in ("alice", "ci")]
        return [(key["keyId"], key.get("handedOverTo")) for entries in keys for key in entries]

    expected = [(old.key_id, "ci"), (new.key_id, None)]
    eventually(lambda: listed() == expected, within=20, describe="each member lists its own token")
    world.wait_rest()

    world.change_role("alice", "Viewer")
    assert world.verdict(old) in {"RoleChanged", "NotFound"}
    assert world.verdict(new) == "Valid"
    record = world.wait_role_change("alice", 2)
    assert [(key["name"], key["keyId"], key["fate"]) for key in record["keys"]] == [("deploy", old.key_id, "Reissued")]
    eventually(lambda: "previous" not in world.key("deploy")["status"], within=20, describe="the former token is gone")
    assert world.token("deploy") == new


def test_nothing_ends_while_the_other_member_is_missing_or_the_operator_is_down(
    world: World, stopped_operator: OperatorProcess
) -> None:
    world.create(organization(), member("alice"), api_key("deploy", "alice"))
    stopped_operator.start()
    old = world.issue("deploy", within=30)["deploy"]
    stopped_operator.stop()
    world.change_key("deploy", membership="ci")
    assert world.verdict(old) == "Valid"

    stopped_operator.start()
    key = world.wait_reason("deploy", "HandOverPending", within=30, type_="Rotating")
    assert key["status"]["keyId"] == old.key_id
    assert world.verdict(old) == "Valid"

    world.create(service_account("ci"))
    new = world.wait_new_token("deploy", old, within=30)
    assert {world.verdict(token) for token in (old, new)} == {"Valid"}


@pytest.mark.usefixtures("operator")
def test_a_higher_revision_in_the_write_of_the_hand_over_revokes_the_former_token_at_once(world: World) -> None:
    world.create(organization(), member("alice"), service_account("ci"), api_key("deploy", "alice"))
    old = world.issue("deploy")["deploy"]
    world.change_key("deploy", membership="ci", revision=2)
    assert world.verdict(old) in {"Pending", "NotFound"}
    world.wait_new_token("deploy", old, within=30)
    status = world.key("deploy")["status"]
    assert (status["issued"]["membership"], "previous" in status) == ("ci", False)
