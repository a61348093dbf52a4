"""Whose metadata is whose: of a key its holder's, of a Membership theirs who may grant its role."""

from typing import Any

import pytest

from support.objects import manifests
from support.objects.builders import membership
from support.objects.evidence import judged
from tenure.domain.resources import ApiKey, Membership, Organization

Body = manifests.Body

VIC = "vic@acme.io"
LAPTOP = manifests.api_key("laptop", "alice")
ALICE = manifests.member("alice")
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"

CHANGES: dict[str, Body] = {
    "annotations": {"annotations": {ANNOTATION: '{"spec":{"suspended":true}}'}},
    "labels": {"labels": {"helm.toolkit.fluxcd.io/name": "x"}},
    "finalizers": {"finalizers": ["example.com/held"]},
    "managedFields": {"managedFields": [{"manager": "kubectl", "operation": "Apply"}]},
}


def marked(body: Body, **metadata: Any) -> Body:
    return {**body, "metadata": {**body["metadata"], **metadata}}


@pytest.mark.parametrize("field", CHANGES)
def test_metadata_of_anothers_key_needs_the_grant_of_the_holders_role(field: str) -> None:
    def answer(**facts: Any) -> Any:
        new = marked(LAPTOP, **CHANGES[field])
        return judged(ApiKey, old=LAPTOP, new=new, membership=membership("alice"), **facts)

    assert answer().allowed
    assert answer(username="alice@acme.io", grants=()).allowed
    for facts in ({}, {"may_revoke": True}):
        said = answer(username=VIC, grants=(), **facts).message
        assert said.startswith(f"metadata.{field}: {VIC} lacks grant-member on ")


@pytest.mark.parametrize("field", CHANGES)
def test_metadata_of_a_membership_needs_the_grant_of_its_role(field: str) -> None:
    for username in (VIC, "alice@acme.io"):
        said = judged(Membership, old=ALICE, new=marked(ALICE, **CHANGES[field]), username=username, grants=())
        assert said.message.startswith(f"metadata.{field}: {username} lacks grant-member on ")
    allowed = judged(Membership, old=ALICE, new=marked(ALICE, **CHANGES[field]), username=VIC, organization=None)
    assert (allowed.allowed, allowed.audit) == (True, {})


@pytest.mark.parametrize("field", CHANGES)
def test_metadata_of_an_organization_needs_what_its_spec_needs(field: str) -> None:
    acme = manifests.organization(deletionProtection=True)
    assert judged(Organization, old=acme, new=marked(acme, **CHANGES[field]), username=VIC).allowed


def test_a_key_is_handed_to_the_garbage_collector_by_the_right_to_revoke_and_not_marked() -> None:
    def answer(**metadata: Any) -> Any:
        new = marked(LAPTOP, ownerReferences=[OWNER], **metadata)
        return judged(ApiKey, old=LAPTOP, new=new, membership=membership("alice"), grants=(), may_revoke=True)

    assert answer().allowed
    assert not answer(finalizers=["example.com/held"]).allowed


@pytest.mark.parametrize(("kind", "body"), [(ApiKey, LAPTOP), (Membership, ALICE)], ids=["ApiKey", "Membership"])
def test_whoever_may_write_lets_go_of_a_deleted_object_and_writes_what_is_there(kind: Any, body: Body) -> None:
    going = marked(body, deletionTimestamp="2026-11-30T08:00:00Z", finalizers=["a/b"], ownerReferences=[OWNER])
    facts: dict[str, Any] = {"username": VIC, "grants": ()}
    assert judged(kind, old=going, new=marked(going, finalizers=None, ownerReferences=None), **facts).allowed
    assert judged(kind, old=body, new=body, **facts).allowed
    held = marked(body, finalizers=["a/b"], ownerReferences=[OWNER])
    for field in ("finalizers", "ownerReferences"):
        assert not judged(kind, old=held, new=marked(held, **{field: None}), **facts).allowed
