"""An ownerReference hands an object to the garbage collector: whoever adds one is judged as if they deleted it.

Whatever else the same write changes is judged besides.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from support.api.client import denial
from support.cases import attacks
from support.cluster import people
from support.cluster.acme import Acme, attacked
from support.cluster.people import OUTSIDER, OWNER, Person, bind, is_permitted, plain, subject, wait_permitted
from tenure.domain.resources import KINDS

if TYPE_CHECKING:
    from admission.conftest import Judged

Body = dict[str, Any]

OBJECTS = (("organizations", "acme"), ("memberships", "alice"), ("apikeys", "laptop"))
WRITER = Person("writer", "wilma@elsewhere.example", people.ALL_GRANTS)
"""Somebody who may write everything and delete nothing."""

GUARD = Person("guard", "guy@elsewhere.example", revokes=True)
"""Somebody who may delete keys, whosever they are."""


@pytest.fixture
def acme(judged: "Judged") -> Iterator[Acme]:
    """Give an organization that asks for acknowledgements, and somebody who may delete nothing."""
    with attacked(judged.plane, roleChanges={"whenKeysExist": "RequireAcknowledgement"}) as acme:
        acme.client.patch("organizations", "acme", {"spec": {"deletionProtection": None}})
        namespace = acme.client.namespace
        writes = people.rule(people.KINDS, ["get", "list", "create", "update", "patch"])
        bind(judged.plane, namespace, "writer", [subject(WRITER.user)], writes, people.granting(WRITER.grants))
        revokes = people.rule(["apikeys"], ["revoke"])
        bind(judged.plane, namespace, "guard", [subject(GUARD.user)], plain(), revokes)
        wait_permitted(acme.client, WRITER.user, "grant-owner", "organizations")
        wait_permitted(acme.client, GUARD.user, "revoke", "apikeys")
        acme.world.issue("laptop", within=30)
        yield acme


@pytest.fixture
def living(acme: Acme) -> Body:
    """Give a reference to an object that stays: nothing of it is ever collected."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "living"}}
    made = acme.client.post(f"/api/v1/namespaces/{acme.client.namespace}/configmaps", body)["metadata"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "living", "uid": made["uid"]}


def owning(reference: Body, **parts: Any) -> Body:
    return {"metadata": {"ownerReferences": [reference], **parts.pop("metadata", {})}, **parts}


@pytest.mark.parametrize(("plural", "name"), OBJECTS, ids=[plural for plural, _ in OBJECTS])
def test_whoever_may_not_delete_an_object_may_not_hand_it_to_the_garbage_collector(
    acme: Acme, living: Body, plural: str, name: str
) -> None:
    assert not is_permitted(acme.client, WRITER.user, "delete", plural, name)
    writer = WRITER.at(acme.client)
    for attack in attacks.ways(plural, name, owning(living), "").values():
        message = denial(lambda attack=attack: attack.ask(writer, {}))  # type: ignore[misc]
        where = f"{plural}.tenure.dev/{name} in namespace {acme.client.namespace}"
        assert f"metadata.ownerReferences: {WRITER.user} lacks delete on {where}" in message
    assert acme.state()[f"{plural}/{name}"]["metadata"]["ownerReferences"] is None


@pytest.mark.parametrize(("plural", "name"), OBJECTS, ids=[plural for plural, _ in OBJECTS])
def test_whoever_may_delete_an_object_may_hand_it_to_the_garbage_collector(
    acme: Acme, living: Body, plural: str, name: str
) -> None:
    acme.by(OWNER).patch(plural, name, owning(living))
    assert acme.state()[f"{plural}/{name}"]["metadata"]["ownerReferences"] == [living]


def test_an_owner_reference_beside_a_role_change_needs_the_acknowledgement_all_the_same(
    acme: Acme, living: Body
) -> None:
    owner = acme.by(OWNER)
    for attack in attacks.ways("memberships", "alice", owning(living, spec={"role": "Viewer"}), "").values():
        message = denial(lambda attack=attack: attack.ask(owner, {}))  # type: ignore[misc]
        assert 'tenure.dev/acknowledge-key-deletion: "Viewer: laptop"' in message
    acknowledged = {"annotations": {"tenure.dev/acknowledge-key-deletion": "Viewer: laptop"}}
    owner.patch("memberships", "alice", owning(living, metadata=acknowledged, spec={"role": "Viewer"}))
    assert acme.state()["memberships/alice"]["spec"]["role"] == "Viewer"


def test_an_owner_reference_beside_a_role_change_is_denied_where_role_changes_with_keys_are(
    acme: Acme, living: Body
) -> None:
    acme.client.patch("organizations", "acme", {"spec": {"roleChanges": {"whenKeysExist": "Deny"}}})
    message = denial(lambda: acme.by(OWNER).patch("memberships", "alice", owning(living, spec={"role": "Viewer"})))
    assert "whenKeysExist: Deny" in message


def test_an_owner_reference_alone_is_a_removal_which_keys_dont_hold_up(acme: Acme, living: Body) -> None:
    acme.by(OWNER).patch("memberships", "alice", owning(living))
    assert acme.state()["memberships/alice"]["metadata"]["ownerReferences"] == [living]


@pytest.mark.parametrize(
    "spec",
    [{"revision": 2}, {"forRole": "Viewer"}, {"suspended": True}, {"expiresAt": "2099-01-01T00:00:00Z"}],
    ids=lambda spec: next(iter(spec)),
)
def test_the_right_to_revoke_changes_no_key_by_way_of_an_owner_reference(acme: Acme, living: Body, spec: Body) -> None:
    guard = GUARD.at(acme.client)
    before = acme.state()
    message = denial(lambda: guard.patch("apikeys", "laptop", owning(living, spec=spec)))
    assert f"spec.membership: {GUARD.user} lacks grant-member on " in message
    assert acme.state() == before


def test_an_owner_reference_beside_labels_for_the_secret_lets_none_through(acme: Acme, living: Body) -> None:
    template = {"secretTemplate": {"labels": {"example.com/team": "core"}}}
    message = denial(lambda: acme.by(OWNER).patch("apikeys", "laptop", owning(living, spec=template)))
    assert "spec.secretTemplate.labels.example.com/team: " in message


def test_an_owner_is_not_exchanged_under_its_uid(acme: Acme, living: Body) -> None:
    acme.client.patch("memberships", "alice", owning(living))
    for change in ({"name": "gone"}, {"kind": "Secret"}, {"apiVersion": "v2"}):
        message = denial(
            lambda change=change: acme.by(OUTSIDER).patch(  # type: ignore[misc]
                "memberships", "alice", owning({**living, **change})
            )
        )
        assert f"spec.role: {OUTSIDER.user} lacks grant-member on " in message
    acme.by(OWNER).patch("memberships", "alice", owning({**living, "blockOwnerDeletion": False}))
    assert acme.client.get("memberships", "alice") is not None


def test_an_owner_reference_is_taken_away_by_whoever_may_grant_the_role(acme: Acme, living: Body) -> None:
    acme.client.patch("memberships", "alice", owning(living))
    message = denial(lambda: acme.by(OUTSIDER).patch("memberships", "alice", {"metadata": {"ownerReferences": None}}))
    assert f"metadata.ownerReferences: {OUTSIDER.user} lacks grant-member on " in message
    acme.by(OWNER).patch("memberships", "alice", {"metadata": {"ownerReferences": None}})
    assert acme.state()["memberships/alice"]["metadata"]["ownerReferences"] is None


def test_all_kinds_are_covered() -> None:
    assert {plural for plural, _ in OBJECTS} == {resource.plural for resource in KINDS}
