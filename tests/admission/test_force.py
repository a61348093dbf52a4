"""`kubectl apply --force` deletes and creates after some errors; after a refusal of the webhooks it never does.

`kubectl replace --force` deletes by itself, and `kubectl apply --force` does so after an error of the schema: that is
judged as the deletion that it is. Nothing of Tenure's can hold up more than that, so both end a member's keys.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.api.speech import Speech
from support.cases.changes import ALICE, BOB, CI, KEYS, OLGA, OTTO
from support.cluster.leases import hold_lease
from support.cluster.people import ALL_GRANTS, MEMBER, Person, bind_people
from support.cluster.team import PATIENCE, Team, team
from support.objects import manifests
from support.programs.installation import Installation
from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.roles import Role

if TYPE_CHECKING:
    from admission.conftest import Judged

Body = dict[str, Any]

APPLY, APPLY_FORCE = ("apply", "--filename=-"), ("apply", "--force", "--filename=-")
REPLACE_FORCE = ("replace", "--force", "--filename=-")
KEEPER = Person("a member who may grant", "bob@acme.io", ALL_GRANTS)
SOME_GRANTS = Person("somebody who may not grant Owner", "gitops@acme.io", ALL_GRANTS - {Role.OWNER})


def with_role(member: Body, role: str, **annotations: str) -> Body:
    """The Membership's manifest with another role."""
    body = {**member, "spec": {**member["spec"], "role": role}}
    return manifests.marked(body, annotations=annotations) if annotations else body


def owned(member: Body) -> Body:
    """The Membership's manifest with an ownerReference."""
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "11111111-2222-3333-4444-555555555555"}
    return {**member, "metadata": {**member["metadata"], "ownerReferences": [reference]}}


@dataclass(frozen=True)
class Refusal:
    """A manifest that the webhooks refuse, over one that is there."""

    title: str
    body: Body
    words: str
    rule: str = "Warn"
    person: Person | None = None
    owners: tuple[Body, ...] = field(default=(OLGA, OTTO))

    def __str__(self) -> str:
        return self.title


PREFIX = "tenure.dev/acknowledge-key-deletion"
REFUSALS = [
    Refusal("denied transition", with_role(BOB, "Owner"), "Organization acme denies "),
    Refusal("no acknowledgement", with_role(ALICE, "Viewer"), PREFIX, "RequireAcknowledgement"),
    Refusal(
        "wrong acknowledgement",
        with_role(ALICE, "Viewer", **{ANNOTATION: "Viewer: laptop"}),
        "doesn't name ci-deploy",
        "RequireAcknowledgement",
    ),
    Refusal("keys under Deny", with_role(ALICE, "Viewer"), "whenKeysExist: Deny", "Deny"),
    Refusal("last owner demoted", with_role(OLGA, "Viewer"), "is the only Owner", owners=(OLGA,)),
    Refusal("last owner given to the garbage collector", owned(OLGA), "is the only Owner", owners=(OLGA,)),
    Refusal("no grant", with_role(BOB, "Analyst"), "lacks grant-viewer, grant-analyst", person=MEMBER),
    Refusal("one grant of two", with_role(OTTO, "Member"), "lacks grant-owner on", person=SOME_GRANTS),
    Refusal("own role raised", with_role(BOB, "Member"), "can't raise their own role", person=KEEPER),
    Refusal(
        "too many labels",
        manifests.marked(ALICE, labels={f"label-{number}": "x" for number in range(65)}),
        "metadata.labels: 65 labels",
    ),
    Refusal(
        "a key's Secret would be mislabelled",
        {**KEYS[1], "spec": {**KEYS[1]["spec"], "secretTemplate": {"labels": {"tenure.dev/membership": "olga"}}}},
        "secretMetadataPrefixes",
    ),
    Refusal(
        "somebody else's key",
        {**KEYS[1], "spec": {**KEYS[1]["spec"], "revision": 2}},
        "spec.membership: mia@acme.io lacks",
        person=MEMBER,
    ),
]


def stored(given: Team, body: Body) -> Body | None:
    """The object of a manifest, as it is stored."""
    return given.kubectl.get(body["kind"], body["metadata"]["name"])


def apply(given: Team, command: tuple[str, ...], body: Body, person: Person | None = None) -> Speech:
    """Run kubectl with a manifest."""
    return given.say(*command, input=json.dumps(body), as_user=person.user if person else None)


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_apply_force_leaves_the_object_alone_after_a_refusal(judged: "Judged", refusal: Refusal) -> None:
    rules = {"whenKeysExist": refusal.rule, "deny": [{"from": "Viewer", "to": "Owner"}]}
    with team(judged.plane, [], roleChanges=rules) as given:
        given.kubectl.apply(*refusal.owners, ALICE, BOB, CI, *KEYS)
        given.wait_settled("ci-deploy", "laptop")
        if refusal.person:
            bind_people(judged.plane, given.namespace, list({MEMBER, refusal.person}))
        before = stored(given, refusal.body)
        assert before is not None

        said = apply(given, APPLY_FORCE, refusal.body, refusal.person)

        assert not said.passed
        assert refusal.words in said.refusal, said.errors
        after = stored(given, refusal.body)
        assert after is not None
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["spec"] == before["spec"]


def test_apply_force_leaves_an_owner_alone_while_another_one_goes(judged: "Judged") -> None:
    with team(judged.plane, []) as given:
        given.kubectl.apply(OLGA, OTTO)
        given.wait_settled()  # A write to otto would show that the change that holds the Lease is done.
        hold_lease(judged.plane, given.world.member("otto"), seconds=600)
        before = stored(given, OLGA)
        said = apply(given, APPLY_FORCE, with_role(OLGA, "Member"))
        assert not said.passed
        assert "Another Owner of Organization acme is being changed at this moment" in said.errors
        after = stored(given, OLGA)
        assert before is not None
        assert after is not None
        assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])


def test_apply_force_leaves_the_object_alone_where_no_webhook_answers(tmp_path: Path) -> None:
    with (
        Installation.start(tmp_path) as installation,
        installation.serving() as webhook,
        team(installation.plane, []) as given,
    ):
        given.kubectl.apply(OLGA, ALICE)
        before = stored(given, ALICE)
        webhook.stop()
        said = apply(given, APPLY_FORCE, with_role(ALICE, "Viewer"))
        after = stored(given, ALICE)
    assert before is not None
    assert after is not None
    assert "failed calling webhook" in said.errors
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])


MISTYPED = with_role(ALICE, "Viewr")
PRICE = ["Removing alice revokes 2 API keys of alice@acme.io:", "- ci-deploy (<key>, expires)", "- laptop (<key>)"]


@pytest.mark.parametrize(
    ("command", "body", "role"),
    [
        pytest.param(REPLACE_FORCE, with_role(ALICE, "Viewer"), "Viewer", id="replace --force"),
        pytest.param(APPLY_FORCE, MISTYPED, "Member", id="apply --force after a schema error"),
    ],
)
def test_a_forced_deletion_of_a_member_is_warned_about_and_ends_the_keys(
    judged: "Judged", command: tuple[str, ...], body: Body, role: str
) -> None:
    """A removal is never held up by keys, so an acknowledgement doesn't protect from it.

    After the schema error kubectl puts the old object back, with its old role: it is another one, and the keys ended.
    """
    with team(judged.plane, [], roleChanges={"whenKeysExist": "RequireAcknowledgement"}) as given:
        given.kubectl.apply(OLGA, ALICE, *KEYS[:2])
        given.wait_settled("ci-deploy", "laptop")
        tokens = given.world.issue("ci-deploy", "laptop", within=PATIENCE)
        before = given.world.member("alice")

        said = apply(given, command, body)

        after = given.world.member("alice")
        assert said.plain[1][:3] == PRICE, said.errors
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        assert after["spec"]["role"] == role
        assert "Valid" not in {given.world.verdict(token) for token in tokens.values()}


@pytest.mark.parametrize(
    ("command", "body"),
    [
        pytest.param(REPLACE_FORCE, with_role(OLGA, "Viewer"), id="replace --force"),
        pytest.param(APPLY_FORCE, with_role(OLGA, "Viewr"), id="apply --force after a schema error"),
    ],
)
@pytest.mark.parametrize("person", [None, MEMBER], ids=["the last owner", "no grant"])
def test_a_forced_deletion_is_refused_as_any_other(
    judged: "Judged", command: tuple[str, ...], body: Body, person: Person | None
) -> None:
    owners = (OLGA,) if person is None else (OLGA, OTTO)
    with team(judged.plane, []) as given:
        given.kubectl.apply(*owners)
        if person:
            bind_people(judged.plane, given.namespace, [person])
        before = stored(given, OLGA)
        said = apply(given, command, body, person)
        assert not said.passed
        assert ("is the only Owner" if person is None else "lacks grant-owner on") in said.refusal, said.errors
        assert stored(given, OLGA) == before


@pytest.mark.parametrize(
    "command",
    [APPLY, ("apply", "--server-side", "--force-conflicts", "--filename=-"), ("replace", "--filename=-")],
    ids=["apply", "apply --server-side --force-conflicts", "replace"],
)
def test_a_schema_error_without_force_leaves_the_object_alone(judged: "Judged", command: tuple[str, ...]) -> None:
    with team(judged.plane, []) as given:
        given.kubectl.apply(OLGA, ALICE)
        given.wait_settled()  # The operator has written the status.
        before = stored(given, ALICE)
        said = apply(given, command, MISTYPED)
        assert not said.passed
        assert 'Unsupported value: "Viewr"' in said.errors
        assert stored(given, ALICE) == before
