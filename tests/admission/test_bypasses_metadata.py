"""Metadata of other people's objects: nobody without the grant changes it, and anybody may write what is there."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from support.api.client import Client
from support.cases import attacks
from support.cases.attacks import Attack
from support.cluster.acme import Acme, attacked
from support.cluster.people import MEMBER, OUTSIDER, OWNER, VIEWER
from support.objects import manifests

if TYPE_CHECKING:
    from admission.conftest import Judged

Body = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FORGED: Mapping[str, Body] = {
    "annotations": {"annotations": {LAST_APPLIED: '{"spec":{"suspended":true}}'}},
    "finalizers": {"finalizers": ["example.com/held"]},
}
LACKS = "{}: {} lacks grant-member on organizations.tenure.dev/acme"


def without_change(client: Client, params: Mapping[str, str]) -> object:
    """A server-side apply of what is there, by which its writer comes to manage the fields."""
    body = client.get("apikeys", "laptop")
    assert body is not None
    same = {**manifests.api_key("laptop", "alice"), "spec": body["spec"]}
    return client.apply("apikeys", same, **params)


ATTACKS: Mapping[str, Attack] = {
    f"{field} of a key {way}": attack.by(VIEWER)
    for field, metadata in FORGED.items()
    for way, attack in attacks.ways(
        "apikeys", "laptop", {"metadata": metadata}, LACKS.format(f"metadata.{field}", VIEWER.user)
    ).items()
} | {
    "labels of a Membership": attacks.patch(
        "memberships",
        "alice",
        {"metadata": {"labels": {"helm.toolkit.fluxcd.io/name": "x"}}},
        LACKS.format("metadata.labels", OUTSIDER.user),
    ),
    "who manages a key's fields": Attack(
        without_change, LACKS.format("metadata.managedFields", VIEWER.user), person=VIEWER
    ),
}


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Acme]:
    with attacked(judged.plane) as acme:
        acme.world.issue("laptop", within=30)
        yield acme


@pytest.mark.parametrize("attack", attacks.rows(ATTACKS))
def test_nobody_changes_metadata_of_somebody_elses_object(acme: Acme, attack: Attack) -> None:
    attacks.check_refused(acme, attack)


@pytest.mark.parametrize("plural", ["apikeys", "memberships"])
def test_a_storage_migration_writes_what_is_there(acme: Acme, plural: str) -> None:
    name = {"apikeys": "laptop", "memberships": "alice"}[plural]
    attacks.replace(plural, name, {}, "").ask(acme.by(OUTSIDER), {})
    acme.by(OUTSIDER).patch(plural, name, {})


def test_a_holder_marks_their_own_key_and_whoever_may_write_lets_a_deleted_one_go(acme: Acme) -> None:
    acme.by(MEMBER).create("apikeys", manifests.api_key("own", "mia"))
    acme.by(MEMBER).patch("apikeys", "own", {"metadata": {"finalizers": ["example.com/held"]}})
    acme.by(OWNER).delete("apikeys", "own")
    acme.by(OUTSIDER).patch("apikeys", "own", {"metadata": {"finalizers": None}})
    assert acme.client.get("apikeys", "own") is None
