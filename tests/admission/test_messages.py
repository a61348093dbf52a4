"""Warnings and refusals reach kubectl's standard error word for word, none cut and none dropped.

All of them: tests/unit/domain/admission/test_decide_acknowledgement.py.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support import manifests
from support.changes import BOUNDS, KEYS, PEOPLE, patch
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

SAID = {
    "role change under Warn": ("Warn", patch("alice", "Viewer"), WARNED),
    "without acknowledgement": (
        "RequireAcknowledgement",
        patch("alice", "Viewer", "Viewer: ci-deploy"),
        UNACKNOWLEDGED,
    ),
    "all that is wrong": ("RequireAcknowledgement", patch("olga", "Viewer"), EVERYTHING),
}


@pytest.mark.parametrize(("rule", "command", "words"), SAID.values(), ids=list(SAID))
def test_standard_error_is_as_documented(acme: Team, rule: str, command: tuple[str, ...], words: str) -> None:
    acme.world.api.patch("organizations", "acme", {"spec": {"roleChanges": {"whenKeysExist": rule}}})
    said = acme.say(*command, DRY_RUN)
    assert plain(said.errors).replace(acme.namespace, "<namespace>") == words


LONG_MEMBER, LONG_ROBOT = "m" * 63, "r" * 63
LONG_ADDRESS = f"{'a' * 180}@{'d' * 60}.acme.io"
LONG_KEYS = [f"{number}-{'x' * 61}" for number in range(1, 10)]
WAITING = [f"{number}-{'w' * 61}" for number in range(1, 10)]


@pytest.fixture(scope="module")
def longest(judged: "Judged") -> Iterator[Team]:
    """Give an organization in which every name is as long as it may be."""
    person, robot = manifests.member(LONG_MEMBER, "Owner"), manifests.service_account(LONG_ROBOT)
    person["spec"]["subject"]["name"] = LONG_ADDRESS
    keys = [manifests.api_key(name, LONG_MEMBER, ttl="99999h") for name in LONG_KEYS]
    waiting = [manifests.api_key(name, LONG_MEMBER, forRole="Analyst") for name in WAITING]
    robots = [manifests.api_key(f"{number}-{'y' * 61}", LONG_ROBOT) for number in range(1, 10)]
    bodies = [manifests.member("olga", "Owner"), person, robot, *keys, *waiting, *robots]
    with team(judged.plane, bodies) as given:
        yield given


def test_no_warning_is_cut_or_dropped_however_long_the_names_are(longest: Team) -> None:
    longest.set_rules(whenKeysExist="Warn")
    said = longest.say(*patch(LONG_MEMBER, "Analyst"), DRY_RUN)
    assert said.passed, said.errors
    assert said.errors.splitlines() == [f"Warning: {warning}" for warning in said.warnings]
    assert max(map(len, said.warnings)) <= LONGEST_WARNING
    assert sum(map(len, said.warnings)) <= WARNINGS_TOGETHER
    assert not [warning for warning in said.warnings if "…" in warning or "\t" in warning]
    named = {name for name in (*LONG_KEYS, *WAITING) if name in said.errors}
    assert len([name for name in named if name in LONG_KEYS]) == 8
    assert "- and 1 more" in said.warnings
    assert any("9 keys of service accounts stay valid" in warning for warning in said.warnings)


def test_no_refusal_is_cut_however_long_the_names_are(longest: Team) -> None:
    longest.set_rules(whenKeysExist="RequireAcknowledgement")
    said = longest.change_role(LONG_MEMBER, "Analyst", "Analyst: another", DRY_RUN)
    assert len(said.refusal) <= LONGEST_REFUSAL
    assert "…" not in said.refusal
    assert "The acknowledgement lacks " in said.refusal
    assert 'tenure.dev/acknowledge-key-deletion: "Analyst: all 9"' in said.refusal
    assert '"tenure.dev/acknowledge-key-deletion":"Analyst: all 9"' in said.refusal
    assert said.refusal.endswith("A key that should go on with a new token: set its spec.forRole to Analyst.")
