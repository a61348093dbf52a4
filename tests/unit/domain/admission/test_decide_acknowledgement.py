"""The acknowledgement: which annotation lets a role change pass, and that the refusal says how to write it."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from support.cases.words import (
    DENIED_FOR_KEYS,
    EVERYTHING,
    LAST_OWNER,
    REMOVED,
    TWICE_A_MEMBER,
    UNACKNOWLEDGED,
    UNWANTED,
    WARNED,
)
from support.objects import manifests
from support.objects.builders import api_key, edited, issued, membership, organization
from support.objects.evidence import judged
from support.objects.handed_over import handed_over
from support.objects.holders import Holder, shown
from support.objects.reviewed import change
from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.admission.verdict import Judgement
from tenure.domain.resources import Membership

WARN, ACKNOWLEDGE, DENY = "Warn", "RequireAcknowledgement", "Deny"


def names(count: int) -> list[str]:
    """The names of a member's keys, as they are sorted."""
    return [f"key-{count}-{number:02}" for number in range(1, count + 1)]


def joined(count: int, *, leave_out: int = 0) -> str:
    return ", ".join(names(count)[leave_out:])


def holder(member: str, keys: list[str], role: str = "Member") -> Holder:
    """A member with keys, in an organization that asks for acknowledgements."""
    made = [manifests.api_key(name, member) for name in keys]
    return Holder(manifests.member(member, role), made).under(ACKNOWLEDGE)


ALICE = holder("alice", ["ci-deploy", "laptop"])
HOLDERS = {"alice": ALICE, **{f"has-{count}": holder(f"has-{count}", names(count)) for count in (8, 9, 37)}}

APPROVES = {
    "exactly the names": ("alice", "Viewer: ci-deploy, laptop"),
    "another order": ("alice", "Viewer: laptop, ci-deploy"),
    "no spaces": ("alice", "Viewer:ci-deploy,laptop"),
    "many spaces and line breaks": ("alice", "  Viewer :\n  ci-deploy ,\n\tlaptop  "),
    "a comma at the end": ("alice", "Viewer: ci-deploy, laptop,"),
    "a name twice": ("alice", "Viewer: ci-deploy, laptop, laptop"),
    "more names than there are keys": ("alice", "Viewer: ci-deploy, laptop, gone, bob-cli"),
    "all eight names": ("has-8", f"Viewer: {joined(8)}"),
    "all nine names": ("has-9", f"Viewer: {joined(9)}"),
    "their number, of nine": ("has-9", "Viewer: all 9"),
    "their number, of 37": ("has-37", "Viewer: all 37"),
    "their number, with spaces": ("has-37", " Viewer :  all   37 "),
    "all 37 names": ("has-37", f"Viewer: {joined(37)}"),
}

CANT_BE_READ = (
    "Tenure can't parse the acknowledgement. tenure.dev/acknowledge-key-deletion: write '<new role>: <names of the "
    "keys>', for example 'Viewer: ci-deploy, laptop'. Roles: Owner, Member, Analyst, Viewer."
)
REFUSED = {
    "no annotation": ("alice", None, "This write has no acknowledgement."),
    "one name is missing": ("alice", "Viewer: laptop", "The acknowledgement doesn't name ci-deploy."),
    "no names": ("alice", "Viewer:", "The acknowledgement doesn't name ci-deploy, laptop."),
    "names of somebody else's keys": (
        "alice",
        "Viewer: bob-cli",
        "The acknowledgement doesn't name ci-deploy, laptop.",
    ),
    "names by spaces": ("alice", "Viewer: ci-deploy laptop", "The acknowledgement doesn't name ci-deploy, laptop."),
    "names in capitals": ("alice", "Viewer: CI-DEPLOY, laptop", "The acknowledgement doesn't name ci-deploy."),
    "part of a name": ("alice", "Viewer: ci, laptop", "The acknowledgement doesn't name ci-deploy."),
    "a wildcard": ("alice", "Viewer: *", "The acknowledgement doesn't name ci-deploy, laptop."),
    "another role": (
        "alice",
        "Analyst: ci-deploy, laptop",
        "The acknowledgement names the role Analyst, and not Viewer.",
    ),
    "the present role": (
        "alice",
        "Member: ci-deploy, laptop",
        "The acknowledgement names the role Member, and not Viewer.",
    ),
    "all, without a number": ("alice", "Viewer: all", "The acknowledgement doesn't name ci-deploy, laptop."),
    "a number where names are few": (
        "alice",
        "Viewer: all 2",
        "The acknowledgement gives a number. Name the keys, because there are only 2.",
    ),
    "a number for eight": (
        "has-8",
        "Viewer: all 8",
        "The acknowledgement gives a number. Name the keys, because there are only 8.",
    ),
    "one too few": (
        "has-37",
        "Viewer: all 36",
        "The acknowledgement says 36 keys, but there are 37.",
    ),
    "one too many": (
        "has-37",
        "Viewer: all 38",
        "The acknowledgement says 38 keys, but there are 37.",
    ),
    "36 of 37 names": ("has-37", f"Viewer: {joined(37, leave_out=1)}", "The acknowledgement doesn't name key-37-01."),
    "names without a role": ("alice", "ci-deploy, laptop", CANT_BE_READ),
    "a role in lower case": ("alice", "viewer: ci-deploy, laptop", CANT_BE_READ),
    "no such role": ("alice", "Guest: ci-deploy, laptop", CANT_BE_READ),
    "a colon": ("alice", ":", CANT_BE_READ),
    "nothing": ("alice", "", CANT_BE_READ),
    "yes": ("alice", "yes", CANT_BE_READ),
}


@pytest.mark.parametrize(("member", "text"), APPROVES.values(), ids=list(APPROVES))
def test_it_approves(member: str, text: str) -> None:
    said = HOLDERS[member].change_role("Viewer", text)
    assert said.allowed
    assert said.warnings[0].startswith("spec.role: Member -> Viewer revokes "), said.warnings


@pytest.mark.parametrize(("member", "text", "words"), REFUSED.values(), ids=list(REFUSED))
def test_it_does_not_approve_and_the_refusal_says_why(member: str, text: str | None, words: str) -> None:
    said = HOLDERS[member].change_role("Viewer", text)
    assert not said.allowed
    assert said.message.splitlines()[1] == f"Programs that use them would stop working immediately. {words}"


def demoted(approved: int, others: int, text: str | None = None, role: str = "Viewer") -> Judgement:
    """What a role change is answered if some of the working keys were approved for Viewer since their issue."""
    bob = change(Membership, old=manifests.member("bob")).subject
    acme = organization(role_changes={"whenKeysExist": ACKNOWLEDGE})
    keys = [issued(api_key(name, membership="bob"), bob, acme) for name in names(approved + others)]
    keys = [edited(key, forRole="Viewer") if at < approved else key for at, key in enumerate(keys)]
    old, new = manifests.member("bob"), manifests.member("bob", role)
    new = new if text is None else manifests.marked(new, annotations={ANNOTATION: text})
    return judged(Membership, old=old, new=new, organization=acme, keys=keys)


def test_a_refusal_does_not_count_or_name_keys_that_for_role_saves() -> None:
    refusal = demoted(1, 1).message
    assert refusal.startswith("spec.role: Member -> Viewer would revoke 1 API key of bob@acme.io: key-2-02 (")
    assert "key-2-01" not in refusal
    many = demoted(2, 9, "Viewer: all 9").message
    assert many.startswith("spec.role: Member -> Viewer would revoke 9 API keys of bob@acme.io, beside 2 that ")
    assert "The acknowledgement says 9 keys, but there are 11, with the 2 that forRole approves." in many


CI_MEMBER = membership("ci", kind="ServiceAccount")
FORMER = (
    f"({issued(api_key(), membership(), organization()).status.key_id}, 48 d old, expires in 1 h, handed over to ci)"
)


def after_hand_over(own: int, text: str | None = None, rule: str = ACKNOWLEDGE, **facts: Any) -> Judgement:
    """What alice's role change is answered while a token of hers is the former one of the service account's key."""
    alice, acme = membership("alice"), organization(role_changes={"whenKeysExist": rule})
    keys = [issued(api_key(name), alice, acme) for name in names(own)]
    keys.append(handed_over(issued(api_key("ci-deploy"), alice, acme), CI_MEMBER))
    old, new = manifests.member("alice"), manifests.member("alice", "Viewer")
    new = new if text is None else manifests.marked(new, annotations={ANNOTATION: text})
    old = {**old, "metadata": {**old["metadata"], "uid": alice.metadata.uid}}
    return judged(Membership, old=old, new=new, organization=acme, keys=keys, **facts)


def test_a_former_token_of_a_key_that_was_handed_over_has_to_be_acknowledged() -> None:
    _, _, refusal = shown(after_hand_over(1))
    lines = refusal.splitlines()
    assert lines[0] == (
        f"spec.role: Member -> Viewer would revoke 2 API keys of alice@acme.io: ci-deploy {FORMER}, key-1-01 (<key>)."
    )
    assert f'{ANNOTATION}: "Viewer: ci-deploy, key-1-01"' in refusal
    assert lines[-1] == (
        "To have a key that wasn't handed over reissued with a new token instead, set its spec.forRole to Viewer."
    )
    assert after_hand_over(1, "Viewer: ci-deploy, key-1-01").allowed
    assert not after_hand_over(1, "Viewer: key-1-01").allowed


def test_a_number_counts_a_key_that_was_handed_over() -> None:
    assert f'{ANNOTATION}: "Viewer: all 9"' in after_hand_over(8).message
    assert after_hand_over(8, "Viewer: all 9").allowed
    assert not after_hand_over(8, "Viewer: all 8").allowed


def test_the_advice_for_a_key_that_was_handed_over_is_to_read_its_secret() -> None:
    assert after_hand_over(0).message.splitlines()[-1] == (
        "ci-deploy: handed over. Programs that have read the new token from its Secret continue to work."
    )


def test_a_warning_names_the_former_token() -> None:
    passed, warnings, _ = shown(after_hand_over(0, rule=WARN))
    assert passed
    assert warnings == [
        "spec.role: Member -> Viewer revokes 1 API key of alice@acme.io:",
        f"- ci-deploy {FORMER}",
        "Programs that use them stop working immediately.",
    ]


@pytest.mark.parametrize(
    ("own", "advice"),
    [
        (0, "would revoke ci-deploy (handed over to ci). Of ci-deploy, which was handed over, wait until the former "),
        (1, "First delete ApiKey key-1-01, or set their spec.forRole to Viewer. They then work"),
    ],
)
def test_under_deny_a_former_token_is_waited_for(own: int, advice: str) -> None:
    refusal = after_hand_over(own, rule=DENY).message
    assert advice in refusal
    assert refusal.endswith("To end it now, set spec.rotation.overlap of the ApiKey to 0s.")


def test_an_approved_key_needs_no_acknowledgement_and_counts_in_a_number() -> None:
    """Following the advice of the refusal, one key after the other, leads to a change that passes."""
    assert demoted(2, 0).allowed
    assert f'In Git, in the same commit:  {ANNOTATION}: "Viewer: key-2-02"' in demoted(1, 1).message
    assert demoted(1, 1, "Viewer: key-2-02").allowed
    assert demoted(2, 9, "Viewer: all 11").allowed
    assert not demoted(2, 9, "Viewer: all 9").allowed
    assert f'{ANNOTATION}: "Viewer: all 11"' in demoted(2, 9).message
    assert not demoted(1, 1, "Analyst: key-2-02", "Analyst").allowed


SPENT = "The acknowledgement is from an earlier change, and each change needs its own."
TEXT = "Viewer: ci-deploy, laptop"


def spent(text: str) -> Holder:
    """The member with an acknowledgement that is there already."""
    return Holder(ALICE.manifest, ALICE.keys, text, ALICE.rules)


@pytest.mark.parametrize("again", [None, TEXT], ids=["stays", "is sent again"])
def test_an_acknowledgement_that_was_there_is_spent(again: str | None) -> None:
    assert spent(TEXT).change_role("Viewer", again).message.splitlines()[1].endswith(SPENT)


def test_another_acknowledgement_than_the_one_that_was_there_approves() -> None:
    assert spent(TEXT).change_role("Viewer", "Viewer: laptop, ci-deploy").allowed
    assert spent("Analyst: laptop").change_role("Viewer", TEXT).allowed


COPIED: Mapping[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "from a page, which drops spaces": lambda text: " ".join(text.split()),
}


@pytest.mark.parametrize("copied", COPIED.values(), ids=COPIED)
@pytest.mark.parametrize("count", [1, 8, 9])
def test_what_a_refusal_prints_passes_however_often_the_same_keys_are_revoked(
    count: int, copied: Callable[[str], str]
) -> None:
    member, mark = holder("alice", names(count)), None
    for role in ("Viewer", "Viewer", "Viewer", "Analyst", "Viewer"):
        # In between, the member was promoted again, and the keys of the same names were issued anew.
        before = Holder(member.manifest, member.keys, mark, member.rules)
        refusal = before.change_role(role).message.splitlines()
        (command,) = [line for line in refusal if "kubectl patch" in line]
        patch = yaml.safe_load(shlex.split(copied(command))[-1])
        (git,) = [line for line in refusal if "In Git" in line]
        mark = patch["metadata"]["annotations"][ANNOTATION]
        assert yaml.safe_load(copied(git.partition(":")[2])) == {ANNOTATION: mark}
        assert before.change_role(patch["spec"]["role"], mark).allowed


@pytest.mark.parametrize("rule", [ACKNOWLEDGE, DENY])
def test_a_removal_is_never_held_up_by_keys(rule: str) -> None:
    said = ALICE.under(rule).remove()
    assert said.allowed
    assert said.warnings[0] == "Removing alice revokes 2 API keys of alice@acme.io:"


OWNED = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}]}


def owned(given: Holder, role: str, acknowledgement: str | None = None) -> Judgement:
    """What a role change beside a new ownerReference is answered."""
    marks = {} if acknowledgement is None else {"annotations": {ANNOTATION: acknowledgement}}
    old, metadata = given.counted(), {**given.manifest["metadata"], **OWNED, **marks}
    new = {**old, "metadata": metadata, "spec": {**old["spec"], "role": role}}
    return judged(Membership, old=old, new=new, organization=given.organization, keys=given.issued())


def test_an_owner_reference_beside_a_role_change_needs_the_acknowledgement_all_the_same() -> None:
    assert f'{ANNOTATION}: "{TEXT}"' in owned(ALICE, "Viewer").message
    assert owned(ALICE, "Viewer", TEXT).allowed
    assert "whenKeysExist: Deny" in owned(ALICE.under(DENY), "Viewer", TEXT).message
    assert owned(ALICE, "Member").allowed
    assert owned(ALICE.under(DENY), "Member").warnings[1] == "Removing alice revokes 2 API keys of alice@acme.io:"


LONG = "{}-" + "x" * 61
LONG_NAMES = [LONG.format(number) for number in range(1, 9)]
MANY = [f"many-{number:02}" for number in range(1, 38)]
OUTSPOKEN = {
    "two keys": ("alice", ["ci-deploy", "laptop"]),
    "eight keys with names of 63 characters": ("m" * 63, LONG_NAMES),
    "37 keys": ("many", MANY),
}


@pytest.mark.parametrize(("member", "keys"), OUTSPOKEN.values(), ids=list(OUTSPOKEN))
def test_the_printed_command_and_the_printed_line_approve(member: str, keys: list[str]) -> None:
    given = holder(member, keys)
    refusal = given.change_role("Viewer").message
    (command,) = [line for line in refusal.splitlines() if line.startswith("  kubectl ")]
    *words, flag, patch = shlex.split(command)
    assert [*words, flag] == f"kubectl patch memberships.tenure.dev {member} -n acme --type merge -p".split()
    body = yaml.safe_load(patch)
    assert given.change_role(body["spec"]["role"], body["metadata"]["annotations"][ANNOTATION]).allowed
    (line,) = [line for line in refusal.splitlines() if line.startswith("In Git")]
    annotations = yaml.safe_load(line.partition("  ")[2])
    assert list(annotations) == [ANNOTATION]
    assert given.change_role("Viewer", annotations[ANNOTATION]).allowed


DENIED = (
    "spec.role: Organization acme denies Owner -> Viewer (spec.roleChanges.deny). It allows Member, Analyst.\n"
    "spec.role: olga is the only Owner of Organization acme"
)


def last_owner(name: str, keys: list[str]) -> Holder:
    """The last Owner, whose step is denied, and whose keys need an acknowledgement."""
    given = holder(name, keys, "Owner").under(owners=[], service_account_keys=1)
    rules = {**given.rules, "deny": [{"from": "Owner", "to": "Viewer"}]}
    return Holder(given.manifest, given.keys, rules=rules, facts=given.facts)


def test_one_refusal_holds_all_that_is_wrong() -> None:
    given = last_owner("olga", ["admin-cli"])
    said = given.change_role("Viewer")
    assert said.message.startswith(DENIED)
    third = said.message.splitlines()[2]
    assert third.startswith("spec.role: Owner -> Viewer would also revoke 1 API key of olga@acme.io: admin-cli. ")
    assert "kubectl patch" not in said.message
    assert said.warnings == ()

    approved = given.change_role("Viewer", "Viewer: admin-cli")
    assert approved.message.startswith(DENIED)
    assert "admin-cli" not in approved.message


def test_all_that_is_wrong_fits_even_where_every_name_is_long() -> None:
    refusal = last_owner("o" * 63, LONG_NAMES).change_role("Viewer").message
    assert len(refusal) <= 2000
    assert refusal.startswith(DENIED.partition("\n")[0])
    assert "is the only Owner" in refusal
    assert refusal.endswith("Once nothing else forbids the change, it has to acknowledge that.")


TEAM = Holder(
    manifests.member("alice"),
    [
        manifests.api_key("ci-deploy", "alice", ttl="2160h"),
        manifests.api_key("laptop", "alice"),
        manifests.api_key("next", "alice", forRole="Viewer"),
    ],
)
CI = Holder(manifests.service_account("ci"), [manifests.api_key("pipeline", "ci")])
OLGA = Holder(
    manifests.member("olga", "Owner"),
    [manifests.api_key("admin", "olga")],
    rules={"deny": [{"from": "None", "to": "Analyst"}, {"from": "Owner", "to": "Viewer"}]},
    facts={"owners": [], "service_account_keys": 1},
)

TWIN = {**manifests.member("alice-2"), "spec": ALICE.manifest["spec"]}
STRANGER = {**manifests.member("sam", "Analyst")}
STRANGER["spec"] = {**STRANGER["spec"], "subject": {"kind": "User", "name": "sam@else.io"}}


def created(body: manifests.Body) -> Judgement:
    acme = organization(role_changes=OLGA.rules)
    limited = acme.model_copy(update={"spec": acme.spec.model_copy(update={"allowed_email_domains": ["acme.io"]})})
    return judged(Membership, new=body, organization=limited, namesakes=[membership("alice")])


SAID: Mapping[str, tuple[Callable[[], Judgement], str]] = {
    "role change under Warn": (lambda: TEAM.under(WARN).change_role("Viewer"), WARNED),
    "removal": (lambda: TEAM.under(DENY).remove(), REMOVED),
    "service account": (
        lambda: CI.under(WARN).change_role("Analyst"),
        "Warning: Service account ci keeps 1 key, with the rights of Analyst: pipeline\n",
    ),
    "without acknowledgement": (
        lambda: TEAM.under(ACKNOWLEDGE).change_role("Viewer", "Viewer: ci-deploy"),
        UNACKNOWLEDGED,
    ),
    "Deny": (lambda: TEAM.under(DENY).change_role("Viewer"), DENIED_FOR_KEYS),
    "the last owner goes": (lambda: OLGA.under(WARN).remove(), LAST_OWNER),
    "all that is wrong": (lambda: OLGA.under(ACKNOWLEDGE).change_role("Viewer"), EVERYTHING),
    "a second membership": (lambda: created(TWIN), TWICE_A_MEMBER),
    "a stranger with a denied role": (lambda: created(STRANGER), UNWANTED),
}


@pytest.mark.parametrize(("ask", "words"), SAID.values(), ids=list(SAID))
def test_what_is_said_is_as_documented(ask: Callable[[], Judgement], words: str) -> None:
    _, warnings, refusal = shown(ask())
    lines = [*(f"Warning: {warning}" for warning in warnings), *refusal.splitlines()]
    assert "".join(f"{line}\n" for line in lines) == words


LONGEST_WARNING, WARNINGS_TOGETHER = 256, 4096
LONG_ADDRESS = f"{'a' * 180}@{'d' * 60}.acme.io"
LONG_KEYS = [f"{number}-{'x' * 61}" for number in range(1, 10)]
WAITING = [f"{number}-{'w' * 61}" for number in range(1, 10)]


def longest(keys: int) -> Holder:
    """An Owner for whom every name is as long as it may be, with so many keys."""
    person = manifests.member("m" * 63, "Owner")
    person["spec"]["subject"]["name"] = LONG_ADDRESS
    working = [manifests.api_key(name, "m" * 63, ttl="99999h") for name in LONG_KEYS[:keys]]
    waiting = [manifests.api_key(name, "m" * 63, forRole="Analyst") for name in WAITING]
    return Holder(person, [*working, *waiting], facts={"service_account_keys": 9})


ROBOT = Holder(
    manifests.service_account("r" * 63),
    [manifests.api_key(f"{number}-{'y' * 61}", "r" * 63) for number in range(1, 10)],
)
LENGTHY: Mapping[str, Callable[[int], Judgement]] = {
    "role change of an owner": lambda keys: longest(keys).under(WARN).change_role("Analyst"),
    "removal of an owner": lambda keys: longest(keys).under(WARN).remove(),
    "role change of a service account": lambda _: ROBOT.under(WARN).change_role("Analyst"),
}


@pytest.mark.parametrize("keys", [8, 9], ids="{} keys".format)
@pytest.mark.parametrize("title", LENGTHY)
def test_no_warning_is_cut_or_dropped_however_long_the_names_are(title: str, keys: int) -> None:
    said = LENGTHY[title](keys)
    assert said.allowed
    assert max(map(len, said.warnings)) <= LONGEST_WARNING
    assert sum(map(len, said.warnings)) <= WARNINGS_TOGETHER
    assert not [warning for warning in said.warnings if "…" in warning or "\t" in warning or "\n" in warning]
    if "owner" in title:
        assert len([name for name in LONG_KEYS if any(name in warning for warning in said.warnings)]) == 8
        assert ("- and 1 more" in said.warnings) == (keys == 9 or title == "role change of an owner")
        assert any("9 keys of service accounts stay valid" in warning for warning in said.warnings)


FLAWS = {
    "no acknowledgement": (None, "This write has no acknowledgement."),
    "other names": ("Analyst: another", "The acknowledgement doesn't name "),
    "unreadable": ("x" * 1000, "Tenure can't parse the acknowledgement"),
}


@pytest.mark.parametrize("keys", [8, 9], ids="{} keys".format)
@pytest.mark.parametrize(("acknowledgement", "words"), FLAWS.values(), ids=FLAWS)
def test_no_refusal_is_cut_however_long_the_names_are(acknowledgement: str | None, words: str, keys: int) -> None:
    refusal = longest(keys).under(ACKNOWLEDGE).change_role("Analyst", acknowledgement).message
    approval = "Analyst: all 9" if keys == 9 else f"Analyst: {', '.join(LONG_KEYS[:8])}"
    assert len(refusal) <= 2000
    assert "…" not in refusal
    assert words in refusal
    assert f'tenure.dev/acknowledge-key-deletion: "{approval}"' in refusal
    assert f'"tenure.dev/acknowledge-key-deletion":"{approval}"' in refusal
    assert refusal.endswith("To have a key reissued with a new token instead, set its spec.forRole to Analyst.")
