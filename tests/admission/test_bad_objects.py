"""Bad objects that the schema lets through: refused by the webhook, with the number of their row.

Large metadata of every kind: tests/unit/domain/admission/test_decide_rules.py; here each way to write it.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from support.api.client import refusal
from support.cases import attacks
from support.cases.attacks import Attack
from support.cluster.acme import Acme, attacked
from support.cluster.people import ADMINISTRATOR, GITOPS, LIMITED_GITOPS, OUTSIDER
from support.objects import manifests
from support.objects.large_metadata import LARGE_METADATA, MANY_LABELS, MEBIBYTE_OF_LABELS

if TYPE_CHECKING:
    from admission.conftest import Judged

JSON, YAML = "application/json", "application/yaml"

TWICE = manifests.member("twice")
VIEWER_THEN_OWNER = (
    '{"organization": "acme", "subject": {"kind": "User", "name": "twice@acme.io"}, "role": "Viewer", "role": "Owner"}'
)
OWNER_THEN_VIEWER = VIEWER_THEN_OWNER.replace('"role": "Viewer", "role": "Owner"', '"role": "Owner", "role": "Viewer"')

OBJECTS = (("organizations", "acme"), ("memberships", "alice"), ("apikeys", "laptop"))
WAYS = tuple(attacks.ways("", "", {}, ""))
PEOPLE = (OUTSIDER, ADMINISTRATOR)

ROWS: Mapping[str, Attack] = {
    "B-5 role given twice in JSON, where the grant is for the first": attacks.create_text(
        "memberships", attacks.as_text(TWICE, spec=VIEWER_THEN_OWNER), JSON, "lacks grant-owner"
    ).by(LIMITED_GITOPS),
    "B-5 role given twice in YAML, where the grant is for the first": attacks.create_text(
        "memberships", attacks.as_text(TWICE, spec=VIEWER_THEN_OWNER), YAML, "lacks grant-owner"
    ).by(LIMITED_GITOPS),
    "B-9 a member of an organization that isn't there": attacks.create(
        manifests.member("otto", "Viewer", organization="other"),
        "lacks grant-viewer on organizations.tenure.dev/other",
    ).by(GITOPS),
    **{
        f"B-39 {what} on {plural}/{name} {way} by {person}": attacks.ways(plural, name, {"metadata": metadata}, says)[
            way
        ].by(person)
        for (what, (metadata, says)), (plural, name), way, person in zip(
            LARGE_METADATA.items(), itertools.cycle(OBJECTS), itertools.cycle(WAYS), itertools.cycle(PEOPLE)
        )
    },
    **{
        f"B-39 a new {body['kind']} with 1 MiB of labels": attacks.create(
            manifests.marked(body, labels=MEBIBYTE_OF_LABELS), MANY_LABELS
        ).by(ADMINISTRATOR)
        for body in (manifests.organization("second"), manifests.member("otto"), manifests.api_key("large", "alice"))
    },
}


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Acme]:
    """Give an organization with objects of every kind."""
    with attacked(judged.plane) as acme:
        acme.world.issue("laptop", within=30)
        yield acme


@pytest.mark.parametrize("attack", attacks.rows(ROWS))
def test_a_bad_object_is_refused_and_changes_nothing(acme: Acme, attack: Attack) -> None:
    attacks.check_refused(acme, attack)


@pytest.mark.parametrize("spec", [VIEWER_THEN_OWNER, OWNER_THEN_VIEWER], ids=["Owner last", "Viewer last"])
@pytest.mark.parametrize("media_type", [JSON, YAML])
def test_b_5_a_field_given_twice_is_refused_where_kubectl_asks_for_it(acme: Acme, spec: str, media_type: str) -> None:
    text = attacks.as_text(TWICE, spec=spec).encode()
    client = acme.by(GITOPS)
    error = refusal(lambda: client.send_text("POST", "memberships", text, media_type, fieldValidation="Strict"))
    assert error is not None
    assert error.code == 400
    assert "spec.role" in error.body["message"] or '"role" already set' in error.body["message"]


def test_b_5_of_a_field_given_twice_the_one_that_is_stored_is_judged(acme: Acme) -> None:
    text = attacks.as_text(TWICE, spec=OWNER_THEN_VIEWER).encode()
    made = acme.by(LIMITED_GITOPS).send_text("POST", "memberships", text, JSON, fieldValidation="Ignore")
    assert made["spec"]["role"] == "Viewer"
    acme.client.delete("memberships", "twice")


def test_b_39_as_much_as_is_allowed_passes(acme: Acme) -> None:
    metadata = {
        "labels": {f"example.com/l{n}": "x" for n in range(64)},
        "annotations": {"example.com/a": "x" * (8 * 1024 - len("example.com/a"))},
    }
    acme.client.patch("memberships", "alice", {"metadata": metadata})
    acme.client.patch("memberships", "alice", {"metadata": dict.fromkeys(metadata)})
