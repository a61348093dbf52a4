"""A dry-run says what the change itself would meet, in the same words, and leaves everything as it is."""

import json
from typing import TYPE_CHECKING

import pytest

from support.api.audit import Audit
from support.cases.changes import ALICE, CI, CREATE, OLGA, Attempt, delete, merge, patch
from support.cluster.leases import stored_lease
from support.cluster.people import MEMBER
from support.cluster.team import PATIENCE, Team
from support.objects import manifests
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

if TYPE_CHECKING:
    from admission.conftest import Judged

PLURALS = ("organizations", "memberships", "apikeys", "secrets", "events")
ACKNOWLEDGE = "RequireAcknowledgement"

ATTEMPTS = [
    Attempt("role change with keys", patch("alice", "Viewer"), said="revokes 2 API keys"),
    Attempt(
        "role change without acknowledgement",
        patch("alice", "Viewer"),
        passes=False,
        rule=ACKNOWLEDGE,
        said="would revoke",
    ),
    Attempt(
        "acknowledged role change",
        patch("alice", "Viewer", "Viewer: ci-deploy, laptop"),
        rule=ACKNOWLEDGE,
        said="revokes 2 API keys",
    ),
    Attempt("one of two owners steps down", patch("otto", "Member"), said="1 key of service accounts stays valid"),
    Attempt("one of two owners goes", delete("membership", "otto"), said="1 key of service accounts stays valid"),
    Attempt(
        "the last owner goes",
        delete("membership", "olga"),
        passes=False,
        bodies=[OLGA, ALICE, CI],
        said="is the only Owner",
    ),
    Attempt("new member", CREATE, manifests.member("nora")),
    Attempt("role change without the grant", patch("bob", "Member"), passes=False, person=MEMBER, said="lacks grant-"),
    Attempt("second organization", CREATE, manifests.organization("other"), passes=False, said="it can have only one"),
    Attempt("organization with keys goes", delete("organization", "acme"), said="revokes 3 API keys"),
    Attempt("new key", CREATE, manifests.api_key("another", "bob")),
    Attempt("a key's token is replaced", merge("apikey", "laptop", {"spec": {"revision": 2}}), said="stops working"),
    Attempt("a key goes", delete("apikey", "laptop")),
]
"""Of each kind and operation some; that a dry-run is answered alike, all rows in tests/unit/domain/admission show."""


def everything(plane: ControlPlane, given: Team) -> dict[str, str]:
    """The version of every object in the namespace, and of its lease."""
    bodies = [(plural, body) for plural in PLURALS for body in given.world.api.list(plural)]
    lease = stored_lease(plane, given.namespace)
    bodies += [("leases", lease)] if lease else []
    return {
        f"{plural}/{body['metadata']['name']}": f"{body['metadata']['uid']}/{body['metadata']['resourceVersion']}"
        for plural, body in bodies
    }


def quiet(plane: ControlPlane, given: Team) -> dict[str, str]:
    """Everything, once nothing more is written."""
    given.world.wait_rest(within=PATIENCE)
    seen: list[dict[str, str]] = []

    def settled() -> bool:
        seen.append(everything(plane, given))
        return len(seen) > 2 and seen[-1] == seen[-2] == seen[-3]

    eventually(settled, within=PATIENCE, every=0.2, describe="nothing is written any more")
    return seen[-1]


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
def test_a_dry_run_says_the_same_and_changes_nothing(judged: "Judged", audit: Audit, attempt: Attempt) -> None:
    with attempt.team(judged.plane) as given:
        before = quiet(judged.plane, given)
        audit.reset()
        trial = attempt.make(given, "--dry-run=server")
        assert quiet(judged.plane, given) == before
        assert audit.writes(user_agent="tenure", resource="leases") == []

        real = attempt.make(given)
        assert trial.plain == real.plain
        assert real.passed == attempt.passes, real.errors
        spoken = [*real.warnings, real.refusal] if attempt.said else []
        assert any(attempt.said in words for words in spoken) == bool(attempt.said), real.errors
        assert (everything(judged.plane, given) != before) == attempt.passes


def test_kubectl_diff_shows_the_price_and_the_refusal(judged: "Judged") -> None:
    viewer = {**ALICE, "spec": {**ALICE["spec"], "role": "Viewer"}}
    with Attempt("", ()).team(judged.plane) as given:
        before = quiet(judged.plane, given)
        shown = given.say("diff", "--filename=-", input=json.dumps(viewer))
        assert shown.code == 1
        assert "+  role: Viewer" in shown.output
        assert shown.warnings[0] == "spec.role: Member -> Viewer revokes 2 API keys of alice@acme.io:"

        given.set_rules(whenKeysExist=ACKNOWLEDGE)
        before = quiet(judged.plane, given)
        refused = given.say("diff", "--filename=-", input=json.dumps(viewer))
        assert refused.code > 0
        assert refused.refusal.startswith("spec.role: Member -> Viewer would revoke 2 API keys of alice@acme.io")
        assert quiet(judged.plane, given) == before
