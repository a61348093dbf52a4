"""The API server's audit log holds who changed which role, from what to what, and which keys ended."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from support import manifests
from support.changes import ALICE, BOB, CREATE, KEYS, OLGA, OTTO, Attempt, delete, patch
from support.eventually import eventually
from support.people import MEMBER
from support.team import PATIENCE, team

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


NORA = manifests.member("nora")


def noted(old: str, new: str, keys: str | None = "") -> dict[str, str]:
    """What is noted of a change; `keys` is None where nobody asked for them."""
    return {"from": old, "to": new, **({} if keys is None else {"keys-ended": keys})}


KEY_NAMES = "ci-deploy, laptop"
APPROVED = patch("alice", "Viewer", f"Viewer: {KEY_NAMES}")
TABLE = [
    (Attempt("new member", CREATE, NORA), noted("None", "Member", None)),
    (Attempt("role change with keys", patch("alice", "Viewer")), noted("Member", "Viewer", KEY_NAMES)),
    (Attempt("role change without keys", patch("bob", "Member")), noted("Viewer", "Member")),
    (Attempt("role change of a service account", patch("ci", "Analyst")), noted("Member", "Analyst")),
    (Attempt("acknowledged", APPROVED, rule=ACKNOWLEDGE), noted("Member", "Viewer", KEY_NAMES)),
    (
        Attempt("not acknowledged", patch("alice", "Viewer"), rule=ACKNOWLEDGE, passes=False),
        noted("Member", "Viewer", KEY_NAMES),
    ),
    (Attempt("removal", delete("membership", "alice")), noted("Member", "None", KEY_NAMES)),
    (Attempt("removal of an owner", delete("membership", "otto")), noted("Owner", "None")),
    (Attempt("denied transition", patch("bob", "Owner"), passes=False), noted("Viewer", "Owner")),
    (
        Attempt("last owner", patch("olga", "Member"), bodies=[OLGA, ALICE, BOB], passes=False),
        noted("Owner", "Member"),
    ),
    (
        Attempt("no grant", patch("alice", "Viewer"), person=MEMBER, passes=False),
        noted("Member", "Viewer", None),
    ),
]


@pytest.mark.parametrize(("attempt", "notes"), TABLE, ids=[str(row[0]) for row in TABLE])
@pytest.mark.parametrize("options", [(), ("--dry-run=server",)], ids=["for real", "dry-run"])
def test_the_audit_log_says_from_to_and_which_keys_ended(
    judged: "Judged", attempt: Attempt, notes: dict[str, str], options: tuple[str, ...]
) -> None:
    """Of whoever lacks a grant it doesn't say which keys would have ended: nobody looked."""
    with attempt.team(judged.plane) as given:
        assert attempt.make(given, *options).passed == attempt.passes
        seen, event = last_judgement(judged, given.namespace, attempt.command[0])
        assert UUID(seen.pop(REQUEST_ID))
        trial = {"dry-run": "true"} if options else {}
        assert seen == {f"{WEBHOOK}/{name}": text for name, text in (notes | trial).items()}
        who = event.get("impersonatedUser", event["user"])["username"]
        assert who == (attempt.person.user if attempt.person else "tenure-admin")
        assert (event["responseStatus"]["code"] < 300) == attempt.passes


@pytest.mark.parametrize("rule", ["Warn", ACKNOWLEDGE])
def test_of_many_keys_it_names_as_many_as_fit_and_counts_the_rest(judged: "Judged", rule: str) -> None:
    names = [f"{number:02}-{'x' * 60}" for number in range(1, 61)]
    bodies = [OLGA, OTTO, ALICE, *(manifests.api_key(name, "alice") for name in names)]
    with team(judged.plane, bodies, roleChanges={"whenKeysExist": rule}) as given:
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
