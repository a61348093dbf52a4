"""Warnings and refusals reach kubectl's standard error word for word, none cut and none dropped.

All of them: tests/unit/domain/admission/test_decide_acknowledgement.py.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support.api.speech import plain
from support.cases.changes import BOUNDS, KEYS, PEOPLE, patch
from support.cases.words import EVERYTHING, UNACKNOWLEDGED, WARNED
from support.cluster.team import Team, team
from support.objects import manifests

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


SAID = {
    "role change under Warn": ("Warn", patch("alice", "Viewer"), WARNED),
    "without acknowledgement": (
        "RequireAcknowledgement",
        patch("alice", "Viewer", "Viewer: ci-deploy"),
        FORBIDDEN + UNACKNOWLEDGED,
    ),
    "all that is wrong": ("RequireAcknowledgement", patch("olga", "Viewer"), FORBIDDEN + EVERYTHING),
}


@pytest.mark.parametrize(("rule", "command", "words"), SAID.values(), ids=list(SAID))
def test_standard_error_is_as_documented(acme: Team, rule: str, command: tuple[str, ...], words: str) -> None:
    acme.world.api.patch("organizations", "acme", {"spec": {"roleChanges": {"whenKeysExist": rule}}})
    said = acme.say(*command, DRY_RUN)
    assert plain(said.errors).replace(f"-n {acme.namespace} ", "-n acme ") == words


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
    assert "The acknowledgement doesn't name " in said.refusal
    assert 'tenure.dev/acknowledge-key-deletion: "Analyst: all 9"' in said.refusal
    assert '"tenure.dev/acknowledge-key-deletion":"Analyst: all 9"' in said.refusal
    assert said.refusal.endswith("To have a key reissued with a new token instead, set its spec.forRole to Analyst.")
