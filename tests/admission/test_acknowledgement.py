"""The acknowledgement on a real API server: it passes, it is spent, and what the refusal prints can be used.

Every spelling: tests/unit/domain/admission/test_decide_acknowledgement.py.
"""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.cluster import people
from support.cluster.team import PATIENCE, Team, team
from support.objects import manifests
from tenure.domain.admission.acknowledgement import ANNOTATION

if TYPE_CHECKING:
    from admission.conftest import Judged

ACKNOWLEDGE: dict[str, Any] = {"roleChanges": {"whenKeysExist": "RequireAcknowledgement"}}
REVOKE = {"onRoleChange": "Revoke"}
DRY_RUN = "--dry-run=server"
OLGA, ALICE = manifests.member("olga", "Owner"), manifests.member("alice")
TWO_KEYS = [manifests.api_key("ci-deploy", "alice"), manifests.api_key("laptop", "alice")]


def names(count: int) -> list[str]:
    """The names of a member's keys, as they are sorted."""
    return [f"key-{count}-{number:02}" for number in range(1, count + 1)]


def joined(count: int, *, leave_out: int = 0) -> str:
    return ", ".join(names(count)[leave_out:])


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Team]:
    """Give an organization that asks for acknowledgements, with members who have 2, 8, 9 and 37 keys."""
    members = [manifests.member(f"has-{count}") for count in (8, 9, 37)]
    keys = [manifests.api_key(name, f"has-{count}") for count in (8, 9, 37) for name in names(count)]
    other = [manifests.member("bob"), manifests.api_key("bob-cli", "bob")]
    with team(judged.plane, [OLGA, ALICE, *TWO_KEYS, *members, *keys, *other], **ACKNOWLEDGE) as given:
        yield given


APPROVES = {
    "many spaces and line breaks": ("alice", "  Viewer :\n  ci-deploy ,\n\tlaptop  "),
    "their number, of nine": ("has-9", "Viewer: all 9"),
    "all 37 names": ("has-37", f"Viewer: {joined(37)}"),
}

CANT_BE_READ = (
    "Tenure can't parse the acknowledgement. tenure.dev/acknowledge-key-deletion: write '<new role>: <names of the "
    "keys>', for example 'Viewer: ci-deploy, laptop'. Roles: Owner, Member, Analyst, Viewer."
)
REFUSED = {
    "no annotation": ("alice", None, "This write has no acknowledgement."),
    "names of somebody else's keys": (
        "alice",
        "Viewer: bob-cli",
        "The acknowledgement doesn't name ci-deploy, laptop.",
    ),
    "a number for eight": (
        "has-8",
        "Viewer: all 8",
        "The acknowledgement gives a number. Name the keys, because there are only 8.",
    ),
    "36 of 37 names": ("has-37", f"Viewer: {joined(37, leave_out=1)}", "The acknowledgement doesn't name key-37-01."),
    "yes": ("alice", "yes", CANT_BE_READ),
}


@pytest.mark.parametrize(("member", "text"), APPROVES.values(), ids=list(APPROVES))
def test_it_approves(acme: Team, member: str, text: str) -> None:
    said = acme.change_role(member, "Viewer", text, DRY_RUN)
    assert (said.passed, said.refusal) == (True, "")
    assert said.warnings[0].startswith("spec.role: Member -> Viewer revokes "), said.warnings


@pytest.mark.parametrize(("member", "text", "words"), REFUSED.values(), ids=list(REFUSED))
def test_it_does_not_approve_and_the_refusal_says_why(acme: Team, member: str, text: str | None, words: str) -> None:
    said = acme.change_role(member, "Viewer", text, DRY_RUN)
    assert not said.passed
    assert said.refusal.splitlines()[1] == f"Programs that use them would stop working immediately. {words}"


SPENT = "The acknowledgement is from an earlier change, and each change needs its own."
TEXT = "Viewer: ci-deploy, laptop"


def test_an_acknowledgement_that_was_there_is_spent_even_if_it_is_sent_again(judged: "Judged") -> None:
    marked = manifests.marked(ALICE, annotations={ANNOTATION: TEXT})
    with team(judged.plane, [OLGA, marked, *TWO_KEYS], **ACKNOWLEDGE) as given:
        for again in (None, TEXT):
            said = given.change_role("alice", "Viewer", again)
            assert said.refusal.splitlines()[1].endswith(SPENT)
        assert given.world.member("alice")["spec"]["role"] == "Member"
        assert given.change_role("alice", "Viewer", "Viewer: laptop, ci-deploy").passed


def test_an_acknowledgement_in_an_earlier_write_of_its_own_approves_nothing(judged: "Judged") -> None:
    with team(judged.plane, [OLGA, ALICE, *TWO_KEYS], **ACKNOWLEDGE) as given:
        assert given.say("annotate", "membership", "alice", f"{ANNOTATION}={TEXT}").passed
        assert given.change_role("alice", "Viewer").refusal.splitlines()[1].endswith(SPENT)


def test_an_acknowledgement_approves_one_change_and_ends_the_keys(judged: "Judged") -> None:
    with team(judged.plane, [OLGA, ALICE, *TWO_KEYS], roleChanges=ACKNOWLEDGE["roleChanges"], keys=REVOKE) as given:
        tokens = given.world.issue("ci-deploy", "laptop", within=PATIENCE)
        assert given.change_role("alice", "Viewer", TEXT).passed
        assert {given.world.verdict(token) for token in tokens.values()} == {"RoleChanged"}
        for name in tokens:
            given.world.change_key(name, revision=2)
        given.wait_settled(*tokens)
        assert given.change_role("alice", "Analyst").refusal.splitlines()[1].endswith(SPENT)
        assert given.change_role("alice", "Analyst", TEXT).refusal.splitlines()[1].endswith(SPENT)
        assert given.change_role("alice", "Analyst", "Analyst: ci-deploy, laptop").passed


@pytest.mark.parametrize("rule", ["RequireAcknowledgement", "Deny"])
def test_a_removal_is_never_held_up_by_keys(judged: "Judged", rule: str) -> None:
    with team(judged.plane, [OLGA, ALICE, *TWO_KEYS], roleChanges={"whenKeysExist": rule}) as given:
        tokens = given.world.issue("ci-deploy", "laptop", within=PATIENCE)
        said = given.remove("alice")
        assert said.passed
        assert said.warnings[0] == "Removing alice revokes 2 API keys of alice@acme.io:"
        assert given.world.api.get("memberships", "alice") is None
        assert "Valid" not in {given.world.verdict(token) for token in tokens.values()}


LONG = "{}-" + "x" * 61
LONG_NAMES = [LONG.format(number) for number in range(1, 9)]
MANY = [f"many-{number:02}" for number in range(1, 38)]
OUTSPOKEN = {
    "eight keys with names of 63 characters": ("m" * 63, LONG_NAMES),
    "37 keys": ("many", MANY),
}


@pytest.mark.parametrize(("member", "keys"), OUTSPOKEN.values(), ids=list(OUTSPOKEN))
def test_the_printed_command_passes_as_it_is(judged: "Judged", member: str, keys: list[str]) -> None:
    bodies = [OLGA, manifests.member(member), *(manifests.api_key(name, member) for name in keys)]
    with team(judged.plane, bodies, **ACKNOWLEDGE) as given:
        refusal = given.change_role(member, "Viewer").refusal
        (line,) = [line for line in refusal.splitlines() if line.startswith("  kubectl ")]
        program, *arguments = shlex.split(line)
        assert program == "kubectl"
        # Its namespace is its own: it is run as it is printed, without ours.
        result = given.kubectl.kubectl(*arguments)
        assert "patched" in result.stdout
        assert given.world.member(member)["spec"]["role"] == "Viewer"


def test_the_printed_line_passes_in_the_manifest(judged: "Judged") -> None:
    member, keys = OUTSPOKEN["37 keys"]
    manifest = manifests.member(member)
    with team(judged.plane, [OLGA, *(manifests.api_key(name, member) for name in keys)], **ACKNOWLEDGE) as given:
        given.kubectl.apply(manifest)
        given.wait_settled(*keys)
        promoted = {**manifest, "spec": {**manifest["spec"], "role": "Analyst"}}
        refused = given.say("apply", "--filename=-", input=yaml.safe_dump(promoted))
        (line,) = [line for line in refused.refusal.splitlines() if line.startswith("In Git")]
        annotations = yaml.safe_load(line.partition("  ")[2])
        assert list(annotations) == [ANNOTATION]
        given.kubectl.apply(manifests.marked(promoted, annotations=annotations))
        assert given.world.member(member)["spec"]["role"] == "Analyst"


DENIED = (
    "spec.role: Organization acme denies Owner -> Viewer (spec.roleChanges.deny). It allows Member, Analyst.\n"
    "spec.role: olga is the only Owner of Organization acme"
)
EVERYTHING: dict[str, Any] = {
    "roleChanges": {"whenKeysExist": "RequireAcknowledgement", "deny": [{"from": "Owner", "to": "Viewer"}]}
}


def test_one_refusal_holds_all_that_is_wrong(judged: "Judged") -> None:
    keys = [manifests.api_key("admin-cli", "olga"), manifests.api_key("pipeline", "ci")]
    with team(judged.plane, [OLGA, ALICE, manifests.service_account("ci"), *keys], **EVERYTHING) as given:
        said = given.change_role("olga", "Viewer")
        assert said.refusal.startswith(DENIED)
        third = said.refusal.splitlines()[2]
        assert third.startswith("spec.role: Owner -> Viewer would also revoke 1 API key of olga@acme.io: admin-cli. ")
        assert "kubectl patch" not in said.refusal
        assert said.warnings == []

        approved = given.change_role("olga", "Viewer", "Viewer: admin-cli")
        assert approved.refusal.startswith(DENIED)
        assert "admin-cli" not in approved.refusal


def test_whoever_lacks_a_grant_learns_nothing_of_keys(judged: "Judged") -> None:
    with team(judged.plane, [OLGA, ALICE, *TWO_KEYS], **EVERYTHING) as given:
        people.bind_people(judged.plane, given.namespace, [people.MEMBER])
        for attempt in (
            given.change_role("alice", "Viewer", as_user=people.MEMBER.user),
            given.change_role("alice", "Viewer", TEXT, as_user=people.MEMBER.user),
            given.remove("alice", as_user=people.MEMBER.user),
        ):
            assert attempt.refusal.startswith(f"spec.role: {people.MEMBER.user} lacks grant-member")
            assert attempt.warnings == []
            assert not [word for word in ("ci-deploy", "laptop", "key") if word in attempt.refusal]
