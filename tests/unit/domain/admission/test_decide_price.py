"""The price of a role change or a removal: every key that ends is named, and what goes on or stays is said."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from support.cluster.people import MEMBER
from support.objects import manifests
from support.objects.builders import edited, organization
from support.objects.evidence import judged, of_membership
from support.objects.holders import Holder, shown
from support.objects.reviewed import change
from tenure.domain.admission.decide import decide
from tenure.domain.admission.verdict import Judgement
from tenure.domain.installation import Installation, Limits
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import Membership

Body = manifests.Body

COUNTS = (1, 8, 9, 37, 60)
WARN, ACKNOWLEDGE, DENY = MODES = ("Warn", "RequireAcknowledgement", "Deny")


def names(member: str, count: int) -> list[str]:
    """The names of a member's keys, as they are sorted."""
    return [f"{member}-{number:02}" for number in range(1, count + 1)]


def holder(count: int) -> Holder:
    """The member who has so many keys."""
    name = f"has-{count}"
    return Holder(manifests.member(name), [manifests.api_key(key, name) for key in names(name, count)])


def listing(count: int) -> list[str]:
    """The lines that name up to eight keys of a member, and how many more there are."""
    lines = [f"- {name} (<key>)" for name in names(f"has-{count}", count)[:8]]
    return [*lines, f"- and {count - 8} more"] if count > 8 else lines


def keys_of(count: int) -> str:
    """How many API keys, in words."""
    return "1 API key" if count == 1 else f"{count} API keys"


@pytest.mark.parametrize("count", COUNTS)
def test_a_role_change_under_warn_passes_and_names_up_to_eight_keys(count: int) -> None:
    assert shown(holder(count).under(WARN).change_role("Viewer")) == (
        True,
        [
            f"spec.role: Member -> Viewer revokes {keys_of(count)} of has-{count}@acme.io:",
            *listing(count),
            "Programs that use them stop working immediately.",
        ],
        "",
    )


@pytest.mark.parametrize("rule", MODES)
@pytest.mark.parametrize("count", COUNTS)
def test_a_removal_passes_under_every_rule_and_names_up_to_eight_keys(count: int, rule: str) -> None:
    assert shown(holder(count).under(rule).remove()) == (
        True,
        [
            f"Removing has-{count} revokes {keys_of(count)} of has-{count}@acme.io:",
            *listing(count),
            "Programs that use them stop working immediately.",
        ],
        "",
    )


@pytest.mark.parametrize("count", COUNTS)
def test_require_acknowledgement_refuses_and_names_up_to_eight_keys(count: int) -> None:
    member = f"has-{count}"
    passed, warnings, refusal = shown(holder(count).under(ACKNOWLEDGE).change_role("Viewer"))
    assert (passed, warnings) == (False, [])
    listed = ", ".join(f"{name} (<key>)" for name in names(member, count)[:8])
    more = f" and {count - 8} more" if count > 8 else ""
    approval = f"Viewer: all {count}" if count > 8 else f"Viewer: {', '.join(names(member, count))}"
    first, second, *_, git, _ = refusal.splitlines()
    assert first == f"spec.role: Member -> Viewer would revoke {keys_of(count)} of {member}@acme.io: {listed}{more}."
    assert second == "Programs that use them would stop working immediately. This write has no acknowledgement."
    assert git == f'In Git, in the same commit:  tenure.dev/acknowledge-key-deletion: "{approval}"'


@pytest.mark.parametrize("count", COUNTS)
def test_an_acknowledged_change_warns_as_under_warn(count: int) -> None:
    given = holder(count)
    approved = given.under(ACKNOWLEDGE).change_role("Viewer", f"Viewer: {', '.join(names(f'has-{count}', count))}")
    assert shown(approved) == shown(given.under(WARN).change_role("Viewer"))


@pytest.mark.parametrize("count", COUNTS)
def test_deny_refuses_whatever_is_acknowledged(count: int) -> None:
    all_names = names(f"has-{count}", count)
    listed = ", ".join(all_names[:8]) + (f" and {count - 8} more" if count > 8 else "")
    refusal = (
        "spec.role: Organization acme allows no role change that revokes keys (whenKeysExist: Deny), and Member -> "
        "Viewer "
        f"would revoke {listed}. First delete these ApiKeys, or set their spec.forRole to Viewer. "
        "They then work until the role changes, and get a new token with it."
    )
    for acknowledgement in (None, f"Viewer: {', '.join(all_names)}", f"Viewer: all {count}"):
        assert shown(holder(count).under(DENY).change_role("Viewer", acknowledgement)) == (False, [], refusal)


def test_deny_lets_a_role_change_pass_once_its_advice_was_followed() -> None:
    keys = [manifests.api_key(name, "bob", forRole="Viewer") for name in ("ci-deploy", "laptop")]
    assert Holder(manifests.member("bob"), keys).under(DENY).change_role("Viewer").allowed
    assert Holder(manifests.member("bob"), []).under(DENY).change_role("Viewer").allowed


ALICE = Holder(
    manifests.member("alice"),
    [
        manifests.api_key("expiring", "alice", ttl="2160h"),
        manifests.api_key("laptop", "alice"),
        manifests.api_key("stopped", "alice", suspended=True),
        manifests.api_key("next-1", "alice", forRole="Viewer"),
        manifests.api_key("next-2", "alice", forRole="Viewer"),
        manifests.api_key("other-role", "alice", forRole="Analyst"),
    ],
)
CI = Holder(
    manifests.service_account("ci"),
    [
        manifests.api_key("pipeline", "ci"),
        manifests.api_key("nightly", "ci"),
        manifests.api_key("approved", "ci", forRole="Member"),
    ],
)
ROBOT = Holder(
    manifests.service_account("robot"),
    [
        *(manifests.api_key(name, "robot") for name in names("robot", 59)),
        manifests.api_key("zz-approved", "robot", forRole="Member"),
    ],
)
OLGA = Holder(
    manifests.member("olga", "Owner"), [manifests.api_key("olgas", "olga")], facts={"service_account_keys": 63}
)
NOBODY = Holder(manifests.member("nobody"))
APPROVED = "Reissued with a new token (spec.forRole: Viewer): next-1, next-2"


def test_keys_approved_for_the_new_role_are_named_as_going_on() -> None:
    assert shown(ALICE.under(WARN).change_role("Viewer")) == (
        True,
        [
            "spec.role: Member -> Viewer revokes 2 API keys of alice@acme.io:",
            "- expiring (<key>, expires)",
            "- laptop (<key>)",
            "Programs that use them stop working immediately.",
            APPROVED,
        ],
        "",
    )


def test_a_key_that_waits_needs_no_acknowledgement_and_one_that_is_suspended_does() -> None:
    given = ALICE.under(ACKNOWLEDGE)
    assert "next-1" not in given.change_role("Viewer").message
    assert "doesn't name stopped" in given.change_role("Viewer", "Viewer: expiring, laptop").message
    said = given.change_role("Viewer", "Viewer: expiring, laptop, stopped")
    assert said.allowed
    assert said.warnings[-1] == APPROVED


@pytest.mark.parametrize("rule", MODES)
def test_a_service_accounts_keys_go_on_with_the_new_role(rule: str) -> None:
    said = CI.under(rule).change_role("Analyst", "Analyst: approved")
    if rule == DENY:
        assert "would revoke approved. First delete" in said.message
        return
    assert shown(said)[1] == [
        "spec.role: Member -> Analyst revokes 1 API key of ci:",
        "- approved (<key>)",
        "Programs that use them stop working immediately.",
        "Service account ci keeps 2 keys, with the rights of Analyst: nightly, pipeline",
    ]


def test_more_keys_of_a_service_account_than_its_status_lists_are_told_apart() -> None:
    status = ROBOT.counted()["status"]
    assert (status["keyCount"], len(status["keys"])) == (60, 50)
    assert shown(ROBOT.under(WARN).change_role("Analyst"))[1] == [
        "spec.role: Member -> Analyst revokes 1 API key of robot:",
        "- zz-approved (<key>)",
        "Programs that use them stop working immediately.",
        f"Service account robot keeps 59 keys, with the rights of Analyst: {', '.join(names('robot', 8))} and 51 more",
    ]


@pytest.mark.parametrize("rule", [WARN, ACKNOWLEDGE])
def test_keys_that_a_suspension_stops_are_counted_since_they_end_for_good(rule: str) -> None:
    given = Holder(manifests.member("alice"), [manifests.api_key("laptop", "alice")], suspended=["alice"]).under(rule)
    suspended = Holder(given.manifest, given.keys, rules=given.rules, suspended=["alice"])
    assert not suspended.counted()["status"].get("keyCount")
    assert shown(suspended.remove())[1][1:2] == ["- laptop (<key>)"]
    said = suspended.change_role("Viewer")
    assert "laptop" in (said.message or "\n".join(said.warnings))


def test_removing_a_service_account_ends_all_its_keys() -> None:
    assert shown(CI.remove())[1] == [
        "Removing ci revokes 3 API keys of ci:",
        "- approved (<key>)",
        "- nightly (<key>)",
        "- pipeline (<key>)",
        "Programs that use them stop working immediately.",
    ]


STAYING = "63 keys of service accounts stay valid. Replace the tokens that olga@acme.io may know (raise spec.revision)."


def test_an_owner_who_goes_or_steps_down_leaves_service_accounts_keys_behind() -> None:
    for said in (OLGA.under(WARN).change_role("Viewer"), OLGA.under(WARN).remove()):
        assert said.allowed
        assert said.warnings[0] == STAYING
    said = OLGA.under(ACKNOWLEDGE).change_role("Viewer")
    assert said.message.startswith("spec.role: Owner -> Viewer would revoke 1 API key of olga@acme.io: olgas (")
    assert said.warnings == (STAYING,)
    assert STAYING not in OLGA.under(WARN, owners=[]).remove().warnings


@pytest.mark.parametrize("rule", MODES)
def test_a_member_without_keys_changes_for_nothing(rule: str) -> None:
    assert shown(NOBODY.under(rule).change_role("Viewer")) == (True, [], "")
    assert shown(NOBODY.under(rule).remove()) == (True, [], "")


@pytest.mark.parametrize("rule", MODES)
@pytest.mark.parametrize("member", [ALICE, OLGA, CI], ids=["alice", "olga", "ci"])
def test_a_write_that_keeps_the_role_needs_nothing(member: Holder, rule: str) -> None:
    role = member.manifest["spec"]["role"]
    assert shown(member.under(rule).change_role(role)) == (True, [], "")
    assert shown(member.under(rule).change_role(role, "Viewer: something else")) == (True, [], "")


def test_under_deny_a_role_change_passes_once_the_keys_are_gone() -> None:
    given = Holder(manifests.member("alice"), [manifests.api_key("laptop", "alice")])
    assert not given.under(DENY).change_role("Viewer").allowed
    assert shown(Holder(given.manifest).under(DENY).change_role("Viewer")) == (True, [], "")


POLICIES: Mapping[tuple[str | None, str | None], Mapping[str | None, str]] = {
    (None, None): {None: WARN, WARN: WARN, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
    (ACKNOWLEDGE, None): {None: ACKNOWLEDGE, WARN: WARN, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
    (DENY, None): {None: DENY, WARN: WARN, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
    (None, ACKNOWLEDGE): {None: ACKNOWLEDGE, WARN: ACKNOWLEDGE, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
    (None, DENY): {None: DENY, WARN: DENY, ACKNOWLEDGE: DENY, DENY: DENY},
    (DENY, ACKNOWLEDGE): {None: DENY, WARN: ACKNOWLEDGE, ACKNOWLEDGE: ACKNOWLEDGE, DENY: DENY},
}
"""By an installation's default and bound: what holds where an organization says this, or nothing."""


@pytest.mark.parametrize("own", [None, *MODES], ids=lambda own: f"organization says {own}")
@pytest.mark.parametrize(("default", "bound"), POLICIES, ids=str)
def test_the_stricter_of_bound_and_own_rule_holds(default: str | None, bound: str | None, own: str | None) -> None:
    in_force = POLICIES[default, bound][own]
    limits = Limits.parse(f"whenKeysExist={bound}" if bound else "")
    installation = Installation(when_keys_exist=WhenKeysExist(default or WARN), limits=limits)
    given = Holder(manifests.member("alice"), [manifests.api_key("laptop", "alice")])
    given = given.under(own, installation=installation)

    plain, approved = given.change_role("Viewer"), given.change_role("Viewer", "Viewer: laptop")
    assert (plain.allowed, approved.allowed) == (in_force == WARN, in_force != DENY)
    assert ("acknowledge-key-deletion" in plain.message) == (in_force == ACKNOWLEDGE)
    assert ("whenKeysExist: Deny" in plain.message) == (in_force == DENY)
    assert given.remove().allowed
    assert installation.policy(given.organization).when_keys_exist == in_force


def noted(old: str, new: str, keys: str | None = "") -> dict[str, str]:
    """What is noted of a change; `keys` is None where nobody asked for them."""
    return {"from": old, "to": new, **({} if keys is None else {"keys-ended": keys})}


TEAM = Holder(
    manifests.member("alice"),
    [
        manifests.api_key("ci-deploy", "alice", ttl="2160h"),
        manifests.api_key("laptop", "alice"),
        manifests.api_key("next", "alice", forRole="Viewer"),
    ],
)
DENIES = {"deny": [{"from": "Viewer", "to": "Owner"}, {"from": "None", "to": "Analyst"}]}
BOB, OTTO = Holder(manifests.member("bob", "Viewer"), rules=DENIES), Holder(manifests.member("otto", "Owner"))
PIPELINE = Holder(manifests.service_account("ci"), [manifests.api_key("pipeline", "ci")])
NAMES = "ci-deploy, laptop"
NOTED: Mapping[str, tuple[Callable[[], Judgement], dict[str, str], bool]] = {
    "new member": (lambda: judged(Membership, new=manifests.member("nora")), noted("None", "Member", None), True),
    "role change with keys": (lambda: TEAM.change_role("Viewer"), noted("Member", "Viewer", NAMES), True),
    "role change without keys": (lambda: BOB.change_role("Member"), noted("Viewer", "Member"), True),
    "role change of a service account": (lambda: PIPELINE.change_role("Analyst"), noted("Member", "Analyst"), True),
    "acknowledged": (
        lambda: TEAM.under(ACKNOWLEDGE).change_role("Viewer", f"Viewer: {NAMES}"),
        noted("Member", "Viewer", NAMES),
        True,
    ),
    "not acknowledged": (
        lambda: TEAM.under(ACKNOWLEDGE).change_role("Viewer"),
        noted("Member", "Viewer", NAMES),
        False,
    ),
    "removal": (lambda: TEAM.remove(), noted("Member", "None", NAMES), True),  # noqa: PLW0108 - one of many
    "removal of an owner": (lambda: OTTO.remove(), noted("Owner", "None"), True),  # noqa: PLW0108 - one of many
    "denied transition": (lambda: BOB.change_role("Owner"), noted("Viewer", "Owner"), False),
    "last owner": (lambda: OTTO.under(owners=[]).change_role("Member"), noted("Owner", "Member"), False),
    "no grant": (
        lambda: TEAM.under(grants=MEMBER.grants).change_role("Viewer"),
        noted("Member", "Viewer", None),
        False,
    ),
}


@pytest.mark.parametrize(("ask", "notes", "passes"), NOTED.values(), ids=NOTED)
def test_the_audit_log_says_from_to_and_which_keys_ended(
    ask: Callable[[], Judgement],
    notes: dict[str, str],
    passes: bool,  # noqa: FBT001
) -> None:
    """Of whoever lacks a grant it doesn't say which keys would have ended: nobody looked."""
    answer = ask()
    assert (dict(answer.audit), answer.allowed) == (notes, passes)


def test_a_dry_run_is_noted() -> None:
    removal = of_membership(change(Membership, old=manifests.member("alice"), dryRun=True))
    assert decide(removal).judgement.audit == {"from": "Member", "to": "None", "keys-ended": "", "dry-run": "true"}


@pytest.mark.parametrize("rule", [WARN, ACKNOWLEDGE])
def test_of_many_keys_it_names_as_many_as_fit_and_counts_the_rest(rule: str) -> None:
    long = [f"{number:02}-{'x' * 60}" for number in range(1, 61)]
    given = Holder(manifests.member("alice"), [manifests.api_key(name, "alice") for name in long]).under(rule)
    listed, _, rest = given.change_role("Viewer", "Viewer: all 60").audit["keys-ended"].partition(" and ")
    seen = listed.split(", ")
    assert seen == long[: len(seen)]
    assert (len(seen), rest) == (15, "45 more")


def test_a_change_of_labels_is_no_role_change() -> None:
    labelled = manifests.marked(manifests.member("alice"), labels={"team": "blue"})
    answer = judged(Membership, old=manifests.member("alice"), new=labelled, keys=None, organization=organization())
    assert dict(answer.audit) == {}


def test_whoever_lacks_a_grant_learns_nothing_of_keys() -> None:
    given = TEAM.under(ACKNOWLEDGE, grants=MEMBER.grants)
    for said in (given.change_role("Viewer"), given.change_role("Viewer", f"Viewer: {NAMES}"), given.remove()):
        assert said.message.startswith("spec.role: root@elsewhere.example lacks grant-member")
        assert said.warnings == ()
        assert not [word for word in ("ci-deploy", "laptop", "key") if word in said.message]


def test_the_builder_gives_keys_that_work() -> None:
    assert [key.status.issued is not None for key in ALICE.issued()] == [True, True, True, False, False, False]


WORKING = Holder(
    manifests.member("alice"), [manifests.api_key("ci-deploy", "alice"), manifests.api_key("laptop", "alice")]
)
NEXT = Holder(CI.manifest, [*CI.keys[:2], manifests.api_key("next", "ci", forRole="Viewer")])
HELD_UP = [
    (WARN, WORKING, False, "Viewer", False),
    (ACKNOWLEDGE, WORKING, False, "Viewer", True),
    (ACKNOWLEDGE, WORKING, True, "Viewer", True),
    (ACKNOWLEDGE, NEXT, False, "Viewer", False),
    (ACKNOWLEDGE, WORKING, False, None, False),
    (DENY, WORKING, False, "Viewer", True),
    (DENY, WORKING, True, "Viewer", False),
    (DENY, WORKING, False, None, False),
]
"""By mode: whether keys hold up a change; of keys that go on, because the same pull request approves them, too."""


@pytest.mark.parametrize(("mode", "member", "approves", "role", "refused"), HELD_UP)
def test_what_keys_hold_up(*, mode: str, member: Holder, approves: bool, role: str | None, refused: bool) -> None:
    given = member.under(mode)
    new = None if role is None else {**given.manifest, "spec": {**given.manifest["spec"], "role": role}}
    keys = given.issued()
    asked = change(Membership, old=given.counted(), new=new)
    approved = {key.name: edited(key, forRole=role) for key in keys} if approves else {}
    evidence = of_membership(asked, organization=given.organization, keys=keys)
    assert (decide(replace(evidence, changed_keys=approved)).refusals != ()) == refused
