"""Warnings and refusals reach kubectl's standard error word for word, none cut and none dropped."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support import manifests
from support.changes import ALICE, BOUNDS, CREATE, KEYS, PEOPLE, delete, patch
from support.speech import plain
from support.team import Team, team

if TYPE_CHECKING:
    from admission.conftest import Judged

DRY_RUN = "--dry-run=server"
FORBIDDEN = 'Error from server (Forbidden): admission webhook "memberships.tenure.dev" denied the request: '

LONGEST_WARNING = 256
WARNINGS_TOGETHER = 4096
LONGEST_REFUSAL = 2000


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Team]:
    """Give the team of the documentation's examples, with one Owner."""
    people = [person for person in PEOPLE if person["metadata"]["name"] != "otto"]
    rules = {"deny": [{"from": "None", "to": "Analyst"}, {"from": "Owner", "to": "Viewer"}]}
    with team(judged.plane, [*people, *KEYS, manifests.api_key("admin", "olga")], roleChanges=rules, **BOUNDS) as given:
        yield given


WARNED = """\
Warning: spec.role: Member -> Viewer ends 2 working keys of alice@acme.io:
Warning: - ci-deploy (<key>, expires)
Warning: - laptop (<key>)
Warning: Whatever uses them stops working at once.
Warning: Approved for Viewer by spec.forRole, issued with a new token: next
"""
REMOVED = """\
Warning: Removing alice ends 2 working keys of alice@acme.io:
Warning: - ci-deploy (<key>, expires)
Warning: - laptop (<key>)
Warning: Whatever uses them stops working at once.
"""
UNACKNOWLEDGED = (
    FORBIDDEN
    + """\
spec.role: Member -> Viewer would end 2 working keys of alice@acme.io: ci-deploy (<key>, expires), laptop (<key>).
Whatever uses them would stop working at once. The acknowledgement lacks laptop.
To acknowledge this, put the annotation into the same write:
  kubectl patch membership alice -n <namespace> --type merge -p '{"metadata":{"annotations":\
{"tenure.dev/acknowledge-key-deletion":"Viewer: ci-deploy, laptop"}},"spec":{"role":"Viewer"}}'
In Git, in the same commit:  tenure.dev/acknowledge-key-deletion: "Viewer: ci-deploy, laptop"
A key that should go on with a new token: set its spec.forRole to Viewer.
"""
)
DENIED = (
    FORBIDDEN
    + """\
spec.role: Organization acme allows no role change that ends keys (whenKeysExist: Deny), and Member -> Viewer would \
end ci-deploy, laptop; delete these ApiKeys first
"""
)
LAST_OWNER = """\
spec.role: olga is the only Owner of Organization acme (members being deleted, suspended or with an ownerReference \
don't count), and an organization keeps one; give another member the role Owner first
"""
EVERYTHING = (
    FORBIDDEN
    + "spec.role: Owner -> Viewer is denied by Organization acme (spec.roleChanges.deny); allowed: Member, Analyst\n"
    + LAST_OWNER
    + """\
spec.role: Owner -> Viewer would end 1 working key of olga@acme.io: admin (<key>).
Whatever uses them would stop working at once. Nothing acknowledges this.
To acknowledge this, put the annotation into the same write:
  kubectl patch membership olga -n <namespace> --type merge -p '{"metadata":{"annotations":\
{"tenure.dev/acknowledge-key-deletion":"Viewer: admin"}},"spec":{"role":"Viewer"}}'
In Git, in the same commit:  tenure.dev/acknowledge-key-deletion: "Viewer: admin"
A key that should go on with a new token: set its spec.forRole to Viewer.
"""
)
UNWANTED = """\
spec.role: a new member as Analyst is denied by Organization acme (spec.roleChanges.deny); allowed: Owner, Member, \
Viewer
spec.subject.name: sam@else.io isn't in a domain of Organization acme (spec.allowedEmailDomains: acme.io)
"""
TWIN = {**manifests.member("alice-2"), "spec": ALICE["spec"]}
STRANGER = {**manifests.member("sam", "Analyst")}
STRANGER["spec"] = {**STRANGER["spec"], "subject": {"kind": "User", "name": "sam@else.io"}}

SAID = {
    "role change under Warn": ("Warn", patch("alice", "Viewer"), None, WARNED),
    "removal": ("Deny", delete("membership", "alice"), None, REMOVED),
    "service account": (
        "Warn",
        patch("ci", "Analyst"),
        None,
        "Warning: Service account ci: 1 key goes on, with the rights of Analyst: pipeline\n",
    ),
    "without acknowledgement": (
        "RequireAcknowledgement",
        patch("alice", "Viewer", "Viewer: ci-deploy"),
        None,
        UNACKNOWLEDGED,
    ),
    "Deny": ("Deny", patch("alice", "Viewer"), None, DENIED),
    "the last owner goes": ("Warn", delete("membership", "olga"), None, FORBIDDEN + LAST_OWNER),
    "all that is wrong": ("RequireAcknowledgement", patch("olga", "Viewer"), None, EVERYTHING),
    "a second membership": (
        "Warn",
        CREATE,
        TWIN,
        "spec.subject: alice@acme.io is a member already, by Membership alice; change that one's role instead\n",
    ),
    "a stranger with a denied role": (
        "Warn",
        CREATE,
        STRANGER,
        UNWANTED,
    ),
}


@pytest.mark.parametrize(("rule", "command", "manifest", "words"), SAID.values(), ids=list(SAID))
def test_standard_error_is_as_documented(
    acme: Team, rule: str, command: tuple[str, ...], manifest: manifests.Body | None, words: str
) -> None:
    acme.world.api.patch("organizations", "acme", {"spec": {"roleChanges": {"whenKeysExist": rule}}})
    said = acme.say(*command, DRY_RUN, input=None if manifest is None else json.dumps(manifest))
    seen = plain(said.errors).replace(acme.namespace, "<namespace>")
    if manifest is not None:  # kubectl says first what it was given.
        assert seen.startswith('Error from server (Forbidden): error when creating "STDIN": admission webhook ')
        seen = seen.partition("denied the request: ")[2]
    assert seen == words


LONG_MEMBER, LONG_ROBOT = "m" * 63, "r" * 63
LONG_ADDRESS = f"{'a' * 180}@{'d' * 60}.acme.io"
LONG_KEYS = [f"{number}-{'x' * 61}" for number in range(1, 10)]
WAITING = [f"{number}-{'w' * 61}" for number in range(1, 10)]


@pytest.fixture(scope="module", params=[8, 9], ids="{} keys".format)
def longest(judged: "Judged", request: pytest.FixtureRequest) -> Iterator[Team]:
    """Give an organization in which every name is as long as it may be, and so many keys."""
    person, robot = manifests.member(LONG_MEMBER, "Owner"), manifests.service_account(LONG_ROBOT)
    person["spec"]["subject"]["name"] = LONG_ADDRESS
    keys = [manifests.api_key(name, LONG_MEMBER, ttl="99999h") for name in LONG_KEYS[: request.param]]
    waiting = [manifests.api_key(name, LONG_MEMBER, forRole="Analyst") for name in WAITING]
    robots = [manifests.api_key(f"{number}-{'y' * 61}", LONG_ROBOT) for number in range(1, 10)]
    bodies = [manifests.member("olga", "Owner"), person, robot, *keys, *waiting, *robots]
    with team(judged.plane, bodies) as given:
        yield given


@pytest.mark.parametrize(
    "command",
    [patch(LONG_MEMBER, "Analyst"), delete("membership", LONG_MEMBER), patch(LONG_ROBOT, "Analyst")],
    ids=["role change of an owner", "removal of an owner", "role change of a service account"],
)
def test_no_warning_is_cut_or_dropped_however_long_the_names_are(longest: Team, command: tuple[str, ...]) -> None:
    longest.set_rules(whenKeysExist="Warn")
    said = longest.say(*command, DRY_RUN)
    assert said.passed, said.errors
    assert said.errors.splitlines() == [f"Warning: {warning}" for warning in said.warnings]
    assert max(map(len, said.warnings)) <= LONGEST_WARNING
    assert sum(map(len, said.warnings)) <= WARNINGS_TOGETHER
    assert not [warning for warning in said.warnings if "…" in warning or "\t" in warning]
    named = {name for name in (*LONG_KEYS, *WAITING) if name in said.errors}
    if LONG_MEMBER in command:
        working = longest.world.member(LONG_MEMBER)["status"]["keys"]
        assert len([name for name in named if name in LONG_KEYS]) == 8
        assert ("- and 1 more" in said.warnings) or len(working) == 8
        assert any("9 keys of service accounts stay valid" in warning for warning in said.warnings)


@pytest.mark.parametrize(
    ("acknowledgement", "words"),
    [
        pytest.param(None, "Nothing acknowledges this.", id="no acknowledgement"),
        pytest.param("Analyst: another", "The acknowledgement lacks ", id="other names"),
        pytest.param("x" * 1000, "The acknowledgement can't be read", id="unreadable"),
    ],
)
def test_no_refusal_is_cut_however_long_the_names_are(longest: Team, acknowledgement: str | None, words: str) -> None:
    longest.set_rules(whenKeysExist="RequireAcknowledgement")
    said = longest.change_role(LONG_MEMBER, "Analyst", acknowledgement, DRY_RUN)
    keys = len(longest.world.member(LONG_MEMBER)["status"]["keys"])
    approval = "Analyst: all 9" if keys == 9 else f"Analyst: {', '.join(LONG_KEYS[:8])}"
    assert len(said.refusal) <= LONGEST_REFUSAL
    assert "…" not in said.refusal
    assert words in said.refusal
    assert f'tenure.dev/acknowledge-key-deletion: "{approval}"' in said.refusal
    assert f'"tenure.dev/acknowledge-key-deletion":"{approval}"' in said.refusal
    assert said.refusal.endswith("A key that should go on with a new token: set its spec.forRole to Analyst.")
