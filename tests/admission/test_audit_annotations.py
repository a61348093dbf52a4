"""The API server's audit log holds who changed which role, from what to what, and which keys ended.

What is noted of every change: tests/unit/domain/admission/test_decide_price.py.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from support.cases.changes import ALICE, KEYS, OLGA, OTTO, Attempt, delete, patch
from support.cluster.people import MEMBER
from support.cluster.team import PATIENCE, team
from support.objects import manifests
from support.run.eventually import eventually

if TYPE_CHECKING:
    from admission.conftest import Judged

WEBHOOK = "memberships.tenure.dev"
REQUEST_ID = f"{WEBHOOK}/request-id"
ACKNOWLEDGE = "RequireAcknowledgement"


def judgements(log: Path, namespace: str, verb: str) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """What the audit log says of each answered change of a Membership: Tenure's annotations, and the event."""
    for line in log.read_text().splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        if "subresource" in about:
            continue  # The operator writes status.
        if (about.get("namespace"), about.get("resource"), event["verb"]) == (namespace, "memberships", verb):
            notes = event.get("annotations", {})
            yield {key: text for key, text in notes.items() if key.startswith(f"{WEBHOOK}/")}, event


def last_judgement(judged: "Judged", namespace: str, verb: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The latest of them."""
    log = judged.plane.audit_log
    assert log is not None
    found = eventually(lambda: list(judgements(log, namespace, verb)), within=PATIENCE, describe="it is in the log")
    return found[-1]


KEY_NAMES = "ci-deploy, laptop"
WITH_KEYS = Attempt("role change with keys", patch("alice", "Viewer"))
DRY_RUN = "--dry-run=server"
TABLE = [
    (WITH_KEYS, (), {"from": "Member", "to": "Viewer", "keys-ended": KEY_NAMES}),
    (WITH_KEYS, (DRY_RUN,), {"from": "Member", "to": "Viewer", "keys-ended": KEY_NAMES, "dry-run": "true"}),
    (
        Attempt("not acknowledged", patch("alice", "Viewer"), rule=ACKNOWLEDGE, passes=False),
        (),
        {"from": "Member", "to": "Viewer", "keys-ended": KEY_NAMES},
    ),
    (
        Attempt("removal", delete("membership", "alice")),
        (DRY_RUN,),
        {"from": "Member", "to": "None", "keys-ended": KEY_NAMES, "dry-run": "true"},
    ),
    (
        Attempt("no grant", patch("alice", "Viewer"), person=MEMBER, passes=False),
        (),
        {"from": "Member", "to": "Viewer"},
    ),
]


@pytest.mark.parametrize(("attempt", "options", "notes"), TABLE, ids=[f"{row[0]} {' '.join(row[1])}" for row in TABLE])
def test_the_audit_log_says_from_to_and_which_keys_ended(
    judged: "Judged", attempt: Attempt, options: tuple[str, ...], notes: dict[str, str]
) -> None:
    """Of whoever lacks a grant it doesn't say which keys would have ended: nobody looked."""
    with attempt.team(judged.plane) as given:
        assert attempt.make(given, *options).passed == attempt.passes
        seen, event = last_judgement(judged, given.namespace, attempt.command[0])
        assert UUID(seen.pop(REQUEST_ID))
        assert seen == {f"{WEBHOOK}/{name}": text for name, text in notes.items()}
        who = event.get("impersonatedUser", event["user"])["username"]
        assert who == (attempt.person.user if attempt.person else "tenure-admin")
        assert (event["responseStatus"]["code"] < 300) == attempt.passes


def test_of_many_keys_it_names_as_many_as_fit_and_counts_the_rest(judged: "Judged") -> None:
    names = [f"{number:02}-{'x' * 60}" for number in range(1, 61)]
    bodies = [OLGA, OTTO, ALICE, *(manifests.api_key(name, "alice") for name in names)]
    with team(judged.plane, bodies, roleChanges={"whenKeysExist": ACKNOWLEDGE}) as given:
        assert given.change_role("alice", "Viewer", "Viewer: all 60").passed
        notes, _ = last_judgement(judged, given.namespace, "patch")
        listed, _, rest = notes[f"{WEBHOOK}/keys-ended"].partition(" and ")
        shown = listed.split(", ")
        assert shown == names[: len(shown)]
        assert rest == f"{60 - len(shown)} more"
        assert len(shown) == 15


def test_a_change_of_labels_is_no_role_change(judged: "Judged") -> None:
    with team(judged.plane, [OLGA, ALICE, *KEYS[:2]]) as given:
        assert given.say("label", "membership", "alice", "team=blue").passed
        notes, _ = last_judgement(judged, given.namespace, "patch")
        assert notes.keys() == {REQUEST_ID}
