"""The price of a role change or a removal, of keys that the operator issued and counted.

Every number of keys under every rule: tests/unit/domain/admission/test_decide_price.py.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support.cluster.team import PATIENCE, Team, team
from support.objects import manifests
from support.run.eventually import eventually

if TYPE_CHECKING:
    from admission.conftest import Judged

COUNTS = (9, 60)
DRY_RUN = "--dry-run=server"


def names(member: str, count: int) -> list[str]:
    """The names of a member's keys, as they are sorted."""
    return [f"{member}-{number:02}" for number in range(1, count + 1)]


def member_with(count: int) -> str:
    """The name of the member who has so many keys."""
    return f"has-{count}"


@pytest.fixture(scope="module")
def crowd(judged: "Judged") -> Iterator[Team]:
    """Give an organization whose members have nine keys and sixty."""
    members = [manifests.member(member_with(count)) for count in COUNTS]
    keys = [
        manifests.api_key(name, member_with(count)) for count in COUNTS for name in names(member_with(count), count)
    ]
    with team(judged.plane, [manifests.member("olga", "Owner"), *members, *keys]) as given:
        yield given


def listing(count: int) -> list[str]:
    """The lines that name up to eight keys of a member, and how many more there are."""
    lines = [f"- {name} (<key>)" for name in names(member_with(count), count)[:8]]
    return [*lines, f"- and {count - 8} more"] if count > 8 else lines


def keys_of(count: int) -> str:
    """How many API keys, in words."""
    return "1 API key" if count == 1 else f"{count} API keys"


@pytest.mark.parametrize("count", COUNTS)
def test_a_role_change_under_warn_passes_and_names_up_to_eight_keys(crowd: Team, count: int) -> None:
    crowd.set_rules(whenKeysExist="Warn")
    member = member_with(count)
    said = crowd.change_role(member, "Viewer", None, DRY_RUN)
    assert said.plain == (
        True,
        [
            f"spec.role: Member -> Viewer revokes {keys_of(count)} of {member}@acme.io:",
            *listing(count),
            "Programs that use them stop working immediately.",
        ],
        "",
    )


@pytest.mark.parametrize("count", COUNTS)
def test_a_removal_passes_under_deny_and_names_up_to_eight_keys(crowd: Team, count: int) -> None:
    crowd.set_rules(whenKeysExist="Deny")
    member = member_with(count)
    said = crowd.remove(member, DRY_RUN)
    assert said.plain == (
        True,
        [
            f"Removing {member} revokes {keys_of(count)} of {member}@acme.io:",
            *listing(count),
            "Programs that use them stop working immediately.",
        ],
        "",
    )


@pytest.mark.parametrize("count", COUNTS[:1])
def test_require_acknowledgement_refuses_and_names_up_to_eight_keys(crowd: Team, count: int) -> None:
    crowd.set_rules(whenKeysExist="RequireAcknowledgement")
    member = member_with(count)
    passed, warnings, refusal = crowd.change_role(member, "Viewer", None, DRY_RUN).plain
    assert (passed, warnings) == (False, [])
    listed = ", ".join(f"{name} (<key>)" for name in names(member, count)[:8])
    more = f" and {count - 8} more" if count > 8 else ""
    approval = f"Viewer: all {count}" if count > 8 else f"Viewer: {', '.join(names(member, count))}"
    first, second, *_, git, _ = refusal.splitlines()
    assert first == f"spec.role: Member -> Viewer would revoke {keys_of(count)} of {member}@acme.io: {listed}{more}."
    assert second == "Programs that use them would stop working immediately. This write has no acknowledgement."
    assert git == f'In Git, in the same commit:  tenure.dev/acknowledge-key-deletion: "{approval}"'


@pytest.mark.parametrize("count", COUNTS[:1])
def test_an_acknowledged_change_warns_as_under_warn(crowd: Team, count: int) -> None:
    member = member_with(count)
    crowd.set_rules(whenKeysExist="RequireAcknowledgement")
    approved = crowd.change_role(member, "Viewer", f"Viewer: {', '.join(names(member, count))}", DRY_RUN)
    crowd.set_rules(whenKeysExist="Warn")
    assert approved.plain == crowd.change_role(member, "Viewer", None, DRY_RUN).plain


@pytest.mark.parametrize("count", COUNTS[:1])
def test_deny_refuses_whatever_is_acknowledged(crowd: Team, count: int) -> None:
    crowd.set_rules(whenKeysExist="Deny")
    member = member_with(count)
    listed = ", ".join(names(member, count)[:8]) + (f" and {count - 8} more" if count > 8 else "")
    refusal = (
        "spec.role: Organization acme allows no role change that revokes keys (whenKeysExist: Deny), and Member -> "
        "Viewer "
        f"would revoke {listed}. First delete these ApiKeys, or set their spec.forRole to Viewer. "
        "They then work until the role changes, and get a new token with it."
    )
    for acknowledgement in (None, f"Viewer: {', '.join(names(member, count))}", f"Viewer: all {count}"):
        assert crowd.change_role(member, "Viewer", acknowledgement, DRY_RUN).plain == (False, [], refusal)


def test_under_deny_a_role_change_passes_once_the_keys_are_gone(judged: "Judged") -> None:
    bodies = [manifests.member("olga", "Owner"), manifests.member("alice"), manifests.api_key("laptop", "alice")]
    with team(judged.plane, bodies, roleChanges={"whenKeysExist": "Deny"}) as given:
        assert not given.change_role("alice", "Viewer").passed
        given.world.api.delete("apikeys", "laptop")
        assert given.change_role("alice", "Viewer").plain == (True, [], "")


@pytest.fixture(scope="module")
def mixed(judged: "Judged") -> Iterator[Team]:
    """Give an organization with every kind of key: waiting, expiring, suspended, ended, and service accounts'."""
    bodies = [
        manifests.member("olga", "Owner"),
        manifests.member("otto", "Owner"),
        manifests.member("alice"),
        manifests.member("nobody"),
        manifests.service_account("ci"),
        manifests.service_account("robot"),
        manifests.api_key("expiring", "alice", ttl="2160h"),
        manifests.api_key("laptop", "alice"),
        manifests.api_key("stopped", "alice", suspended=True),
        manifests.api_key("next-1", "alice", forRole="Viewer"),
        manifests.api_key("next-2", "alice", forRole="Viewer"),
        manifests.api_key("other-role", "alice", forRole="Analyst"),
        manifests.api_key("olgas", "olga"),
        manifests.api_key("pipeline", "ci"),
        manifests.api_key("nightly", "ci"),
        manifests.api_key("approved", "ci", forRole="Member"),
        *(manifests.api_key(name, "robot") for name in names("robot", 59)),
        manifests.api_key("zz-approved", "robot", forRole="Member"),
    ]
    with team(judged.plane, bodies) as given:
        yield given


def test_keys_approved_for_the_new_role_are_named_as_going_on(mixed: Team) -> None:
    mixed.set_rules(whenKeysExist="Warn")
    assert mixed.change_role("alice", "Viewer", None, DRY_RUN).plain == (
        True,
        [
            "spec.role: Member -> Viewer revokes 2 API keys of alice@acme.io:",
            "- expiring (<key>, expires)",
            "- laptop (<key>)",
            "Programs that use them stop working immediately.",
            "Reissued with a new token (spec.forRole: Viewer): next-1, next-2",
        ],
        "",
    )


def test_a_key_that_waits_needs_no_acknowledgement(mixed: Team) -> None:
    mixed.set_rules(whenKeysExist="RequireAcknowledgement")
    assert "next-1" not in mixed.change_role("alice", "Viewer", None, DRY_RUN).refusal
    said = mixed.change_role("alice", "Viewer", "Viewer: expiring, laptop, stopped", DRY_RUN)
    assert said.passed
    assert said.warnings[-1] == "Reissued with a new token (spec.forRole: Viewer): next-1, next-2"


def test_a_service_accounts_keys_go_on_with_the_new_role(mixed: Team) -> None:
    mixed.set_rules(whenKeysExist="RequireAcknowledgement")
    said = mixed.change_role("ci", "Analyst", "Analyst: approved", DRY_RUN)
    assert said.plain[1] == [
        "spec.role: Member -> Analyst revokes 1 API key of ci:",
        "- approved (<key>)",
        "Programs that use them stop working immediately.",
        "Service account ci keeps 2 keys, with the rights of Analyst: nightly, pipeline",
    ]


def test_more_keys_of_a_service_account_than_its_status_lists_are_told_apart(mixed: Team) -> None:
    mixed.set_rules(whenKeysExist="Warn")
    status = mixed.world.member("robot")["status"]
    assert (status["keyCount"], len(status["keys"])) == (60, 50)
    assert mixed.change_role("robot", "Analyst", None, DRY_RUN).plain[1] == [
        "spec.role: Member -> Analyst revokes 1 API key of robot:",
        "- zz-approved (<key>)",
        "Programs that use them stop working immediately.",
        f"Service account robot keeps 59 keys, with the rights of Analyst: {', '.join(names('robot', 8))} and 51 more",
    ]


def test_keys_that_a_suspension_stops_are_counted_since_they_end_for_good(judged: "Judged") -> None:
    bodies = [manifests.member("olga", "Owner"), manifests.member("alice"), manifests.api_key("laptop", "alice")]
    with team(judged.plane, bodies) as given:
        given.world.api.patch("organizations", "acme", {"spec": {"suspendedMembers": [{"name": "alice"}]}})
        given.world.wait_reason("laptop", "Suspended", within=PATIENCE)
        eventually(lambda: not given.world.member("alice")["status"]["keyCount"], within=PATIENCE)
        assert given.remove("alice", DRY_RUN).plain[1][1:2] == ["- laptop (<key>)"]
        said = given.change_role("alice", "Viewer", None, DRY_RUN)
        assert "laptop" in (said.refusal or "\n".join(said.warnings))


def test_removing_a_service_account_ends_all_its_keys(mixed: Team) -> None:
    assert mixed.remove("ci", DRY_RUN).plain[1] == [
        "Removing ci revokes 3 API keys of ci:",
        "- approved (<key>)",
        "- nightly (<key>)",
        "- pipeline (<key>)",
        "Programs that use them stop working immediately.",
    ]


STAYING = "63 keys of service accounts stay valid. Replace the tokens that olga@acme.io may know (raise spec.revision)."


def test_an_owner_who_goes_or_steps_down_leaves_service_accounts_keys_behind(mixed: Team) -> None:
    mixed.set_rules(whenKeysExist="Warn")
    for said in (mixed.change_role("olga", "Viewer", None, DRY_RUN), mixed.remove("olga", DRY_RUN)):
        assert said.passed
        assert STAYING in said.warnings
    mixed.set_rules(whenKeysExist="RequireAcknowledgement")
    said = mixed.change_role("olga", "Viewer", None, DRY_RUN)
    assert said.refusal.startswith("spec.role: Owner -> Viewer would revoke 1 API key of olga@acme.io: olgas (")
    assert said.warnings == [STAYING]


def test_a_member_without_keys_changes_for_nothing(mixed: Team) -> None:
    mixed.set_rules(whenKeysExist="Deny")
    assert mixed.change_role("nobody", "Viewer", None, DRY_RUN).plain == (True, [], "")
    assert mixed.remove("nobody", DRY_RUN).plain == (True, [], "")


@pytest.mark.parametrize("member", ["alice", "ci"])
def test_a_write_that_keeps_the_role_needs_nothing(mixed: Team, member: str) -> None:
    mixed.set_rules(whenKeysExist="Deny")
    role = mixed.world.member(member)["spec"]["role"]
    assert mixed.change_role(member, role).plain == (True, [], "")
    assert mixed.say("label", "membership", member, "seen=yes", "--overwrite").plain == (True, [], "")
