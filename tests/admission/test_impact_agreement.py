"""What `tenure impact` says of a pull request is what the webhooks say when it is applied.

The tree before is applied to a namespace. Then come the Organization's file, if it differs, and each Membership that
differs as one write, and what is answered is compared: whether it passes, and which keys end by the API server's audit
log. Three things are different by nature:

* Files of one commit are applied one after the other. A key's `forRole` that comes first approves it before the role
  changes, and then needs no acknowledgement; one that comes later does. `tenure impact` asks for the names
  that serve both ways, and takes the keys' files to come first where `Deny` leaves no other way.
* Once an Organization is gone its members' keys have ended, so removing the members ends none.
* Under `Warn` all this passes, and `tenure impact` exits with 2 all the same until it is acknowledged.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from support.api.speech import Speech
from support.cluster.team import Team, bare_team
from support.objects.pull_requests import PULL_REQUESTS, Body, PullRequest, Tree, write
from tenure.cli import app

if TYPE_CHECKING:
    from admission.conftest import Judged

WEBHOOK = "memberships.tenure.dev"


@dataclass(frozen=True)
class Applied:
    """A namespace that holds a repository's manifests as they were, and the pull request."""

    team: Team
    given: PullRequest
    audit_log: Path
    folder: Path

    def impact(self) -> tuple[int, dict[str, Any]]:
        """What is said of the pull request without a look at the cluster."""
        arguments = ["--base", str(self.folder / "base"), "--head", str(self.folder / "head")]
        options = [f"--namespace={self.team.namespace}", "--output=json", "--allow-empty", *self.given.options]
        result = CliRunner().invoke(app, ["impact", *arguments, *options])
        return result.exit_code, json.loads(result.output)

    def write(self, old: Body | None, new: Body | None) -> Speech:
        """Make one change as kubectl makes it."""
        if new is not None:
            return self.team.say("apply", "--filename=-", input=json.dumps(new))
        assert old is not None
        return self.team.say("delete", old["kind"], old["metadata"]["name"], "--wait=false")

    def ended(self, member: str) -> set[str]:
        """The keys that the latest change of a member ended, by the audit log."""
        for line in reversed(self.audit_log.read_text().splitlines()):
            event = json.loads(line)
            about, notes = event.get("objectRef", {}), event.get("annotations", {})
            is_it = (about.get("namespace"), about.get("name")) == (self.team.namespace, member)
            if is_it and f"{WEBHOOK}/from" in notes:
                return set(filter(None, notes.get(f"{WEBHOOK}/keys-ended", "").split(", ")))
        return set()

    def working(self) -> set[str]:
        """The keys that have a token."""
        return {
            body["metadata"]["name"] for body in self.team.world.api.list("apikeys") if "secretName" in body["status"]
        }


def unsuspended(body: Body) -> Body:
    """The manifest as it was before somebody suspended the key."""
    return {**body, "spec": {name: value for name, value in body["spec"].items() if name != "suspended"}}


def changed(before: Tree, after: Tree, kind: str) -> Iterator[tuple[Body | None, Body | None]]:
    """The manifests of a kind that differ, before and after, in the order in which files are applied."""
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new and (new or old or {}).get("kind") == kind:
            yield old, new


SAMPLE = (
    "keys are not acknowledged",
    "keys are acknowledged",
    "the acknowledgement is spent",
    "one key is approved for the new role",
    "a suspended key",
    "a member goes with the keys",
    "the last owner steps down",
    "an owner hands over",
    "a new member with a denied role",
    "a service accounts key that was approved",
    "a key is handed over with the role",
    "another subject",
    "a member is renamed",
    "the organization goes with everything",
    "a protected organization goes",
    "keys under Deny",
    "all keys are approved under Deny",
    "the organization is somewhere else",
)
"""Those that are applied here; all of them: tests/unit/impact/test_agreement.py."""


@pytest.fixture(params=[one for one in PULL_REQUESTS if one.title in SAMPLE], ids=str)
def applied(judged: "Judged", request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Applied]:
    """Give a pull request to a repository that is applied."""
    given: PullRequest = request.param
    assert judged.plane.audit_log is not None
    write(tmp_path / "base", given.before)
    write(tmp_path / "head", given.after)
    order = ("Organization", "Membership", "ApiKey")
    bodies = sorted([*given.elsewhere, *given.before.values()], key=lambda body: order.index(body["kind"]))
    with bare_team(judged.plane) as team:
        team.kubectl.apply(*map(unsuspended, bodies))
        team.wait_settled(*(body["metadata"]["name"] for body in bodies if body["kind"] == "ApiKey"))
        team.kubectl.apply(*bodies)
        team.wait_settled()
        yield Applied(team, given, judged.plane.audit_log, tmp_path)


def test_the_sample_is_of_these_pull_requests() -> None:
    assert {*SAMPLE} <= {one.title for one in PULL_REQUESTS}


def test_verdict_and_keys_are_the_same_in_the_pull_request_and_in_the_cluster(applied: Applied) -> None:
    before, after = applied.given.before, applied.given.after
    code, said = applied.impact()
    foreseen = {change["membership"]: change for change in said["changes"]}
    assert code == applied.given.code
    working = applied.working()

    for old, new in changed(before, after, "Organization"):
        gone = said["removedOrganizations"]
        speech = applied.write(old, new)
        assert speech.passed == (not any(one["refusals"] for one in gone)), speech.errors
        if gone:
            ends = [name for one in (*gone, *said["changes"]) for name in one["ends"]]
            assert speech.warnings[0].startswith(f"Deleting Organization acme revokes {len(ends)} API keys.")
    for old, new in changed(before, after, "ApiKey") if applied.given.keys_first else ():
        assert applied.write(old, new).passed
        applied.team.wait_settled(*applied.working())

    for old, new in changed(before, after, "Membership"):
        name = (new or old or {})["metadata"]["name"]
        change = foreseen.pop(name)
        speech = applied.write(old, new)
        assert speech.passed != change["isRefused"], speech.errors
        if old is not None and not applied.given.keys_first:
            is_unjudged = bool(said["removedOrganizations"]) or "spec.subject" in str(change["refusals"])
            dying = {*change["ends"], *change["goesOn"]} & working
            assert applied.ended(name) == (set() if is_unjudged else dying)
        for refusal in change["refusals"]:
            assert essence(refusal) in speech.errors
    assert foreseen == {}


def essence(refusal: str) -> str:
    """What a refusal shares with the cluster's: of the last owner and of the schema each has words of its own."""
    if "must keep an Owner" in refusal:
        return "is the only Owner of Organization acme"
    if "Make two commits" in refusal:
        return "is already a member, with Membership"
    return "subject: can't be changed" if "subject: can't be changed" in refusal else refusal
