"""What a review asks for: its fields, the objects that fit its operation, and what of a change matters."""

from typing import Any

import pytest
from pydantic import ValidationError

from support.api.review import stored
from support.objects import manifests
from support.objects.reviewed import ROOT, change, request
from tenure.domain.admission.request import AdmissionRequest, Change
from tenure.domain.operations import Operation
from tenure.domain.resources import ApiKey, Membership

Body = manifests.Body

ALICE = manifests.member("alice", "Viewer")
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1"}
OTHER = {**OWNER, "name": "other", "uid": "2"}


def with_metadata(**metadata: Any) -> Body:
    return {**ALICE, "metadata": {**ALICE["metadata"], **metadata}}


def with_role(role: str, **metadata: Any) -> Body:
    body = with_metadata(**metadata)
    return {**body, "spec": {**body["spec"], "role": role}}


def owned(*references: Any) -> Body:
    return with_metadata(ownerReferences=list(references))


@pytest.mark.parametrize(
    ("old", "new", "operation"),
    [(None, ALICE, Operation.CREATE), (ALICE, ALICE, Operation.UPDATE), (ALICE, None, Operation.DELETE)],
    ids=["creation", "update", "deletion"],
)
def test_a_change_has_the_objects_of_its_operation(old: Body | None, new: Body | None, operation: Operation) -> None:
    asked = change(Membership, old=old, new=new, dryRun=True)
    assert asked.operation is operation
    assert ((asked.old is not None), (asked.new is not None)) == (old is not None, new is not None)
    assert asked.subject.name == "alice"
    assert asked.requester.username == ROOT
    assert asked.dry_run


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("old", [None, ALICE], ids=["nothing", "old object"])
@pytest.mark.parametrize("new", [None, ALICE], ids=["nothing", "new object"])
def test_objects_that_dont_fit_the_operation_are_refused(
    operation: Operation, old: Body | None, new: Body | None
) -> None:
    fits = {Operation.CREATE: (False, True), Operation.UPDATE: (True, True), Operation.DELETE: (True, False)}
    before, after = (None if body is None else stored(body, "acme") for body in (old, new))
    asked = request(Membership, old=before, new=after, operation=operation)
    if (old is not None, new is not None) == fits[operation]:
        assert Change.of(asked, Membership).operation is operation
    else:
        with pytest.raises(ValueError, match="don't fit the operation"):
            Change.of(asked, Membership)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", ""),
        ("uid", "u" * 129),
        ("operation", "CONNECT"),
        ("operation", "create"),
        ("namespace", ""),
        ("userInfo", {}),
        ("userInfo", {"username": "a", "groups": "system:masters"}),
        ("resource", {}),
        ("object", []),
        ("object", "x"),
        ("oldObject", 5),
        ("dryRun", []),
    ],
)
def test_a_malformed_request_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        request(Membership, old=None, new=ALICE, **{field: value})


def test_the_whole_identity_is_kept() -> None:
    user = {"username": "a", "uid": "4711", "groups": ["b", "c"], "extra": {"reason": ["d"]}}
    asked = request(Membership, old=None, new=ALICE, userInfo=user)
    assert asked.user_info.model_dump() == user


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": ["x"]},
        {"labels": {"a": 1}},
        {"annotations": "x"},
        {"annotations": {"a": None}},
        {"ownerReferences": {}},
        {"ownerReferences": ["x"]},
        {"managedFields": "x"},
        {"managedFields": ["x"]},
    ],
    ids=str,
)
def test_metadata_of_another_type_is_refused(metadata: Body) -> None:
    with pytest.raises(ValidationError):
        change(Membership, new=with_metadata(**metadata))


def test_an_object_that_isnt_stored_yet_needs_no_uid_and_no_version() -> None:
    asked = AdmissionRequest.model_validate(
        request(Membership, old=None, new={**ALICE, "metadata": {"name": "alice", "namespace": "acme"}}).model_dump()
    )
    assert Change.of(asked, Membership).subject.metadata.uid == ""


OWNERS: dict[str, tuple[Body, Body, bool]] = {
    "none": (owned(), owned(), False),
    "added": (owned(), owned(OWNER), True),
    "kept": (owned(OWNER), owned(OWNER), False),
    "taken away": (owned(OWNER), owned(), False),
    "another one": (owned(OWNER), owned(OTHER), True),
    "one more": (owned(OWNER), owned(OWNER, OTHER), True),
    "another order": (owned(OWNER, OTHER), owned(OTHER, OWNER), False),
    "another uid under its name": (owned(OWNER), owned({**OWNER, "uid": "another"}), True),
    "another name under its uid": (owned(OWNER), owned({**OWNER, "name": "gone"}), True),
    "another kind under its uid": (owned(OWNER), owned({**OWNER, "kind": "Secret"}), True),
    "another version under its uid": (owned(OWNER), owned({**OWNER, "apiVersion": "v2"}), True),
    "now blocking": (owned(OWNER), owned({**OWNER, "blockOwnerDeletion": True}), False),
}


@pytest.mark.parametrize(("old", "new", "given_to_collector"), OWNERS.values(), ids=OWNERS)
def test_a_new_owner_removes_an_object(old: Body, new: Body, given_to_collector: bool) -> None:  # noqa: FBT001
    asked = change(Membership, old=old, new=new)
    assert asked.given_to_collector is asked.removes is asked.gains_owner is asked.only_removes is given_to_collector
    assert asked.matters is (old != new)
    assert not asked.changes_spec


def test_an_owner_at_the_creation_removes_nothing() -> None:
    asked = change(Membership, new=owned(OWNER))
    assert (asked.gains_owner, asked.given_to_collector, asked.removes) == (True, False, False)


@pytest.mark.parametrize(
    ("old", "new", "removes", "matters", "changes_spec"),
    [
        (None, ALICE, False, True, False),
        (ALICE, None, True, True, False),
        (ALICE, ALICE, False, False, False),
        (ALICE, with_metadata(labels={"a": "b"}, annotations={"c": "d"}, finalizers=["e/f"]), False, True, False),
        (ALICE, with_role("Member"), False, True, True),
        (ALICE, with_role("Member", ownerReferences=[OWNER]), True, True, True),
        (ALICE, {**ALICE, "status": {"role": "Owner"}}, False, False, False),
    ],
    ids=["creation", "deletion", "nothing", "metadata", "role", "role and owner", "status"],
)
def test_what_of_a_change_matters(
    old: Body | None,
    new: Body | None,
    removes: bool,  # noqa: FBT001
    matters: bool,  # noqa: FBT001
    changes_spec: bool,  # noqa: FBT001
) -> None:
    asked = change(Membership, old=old, new=new)
    assert (asked.removes, asked.matters, asked.changes_spec) == (removes, matters, changes_spec)


def test_a_field_that_a_newer_version_knows_matters_too() -> None:
    old, new = (manifests.api_key("laptop", "alice", newer=value) for value in (1, 2))
    assert change(ApiKey, old=old, new=new).matters


MANAGED = [{"manager": "kubectl", "operation": "Apply"}]
GOING: Body = {"deletionTimestamp": "2026-11-30T08:00:00Z", "finalizers": ["a/b", "c/d"], "ownerReferences": [OWNER]}

METADATA: dict[str, tuple[Body, Body, str, bool]] = {
    "nothing": ({}, {}, "", False),
    "a version alone": ({"resourceVersion": "1"}, {"resourceVersion": "2"}, "", False),
    "a label": ({}, {"labels": {"a": "b"}}, "metadata.labels", True),
    "another value": ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}, "metadata.labels", True),
    "an annotation goes": ({"annotations": {"a": "b"}}, {}, "metadata.annotations", True),
    "a finalizer": ({}, {"finalizers": ["a/b"]}, "metadata.finalizers", True),
    "a finalizer goes": ({"finalizers": ["a/b"]}, {}, "metadata.finalizers", True),
    "an owner goes": ({"ownerReferences": [OWNER]}, {}, "metadata.ownerReferences", True),
    "who manages a field": ({}, {"managedFields": MANAGED}, "metadata.managedFields", True),
    "a label and who manages it": ({}, {"labels": {"a": "b"}, "managedFields": MANAGED}, "metadata.labels", True),
    "several": ({}, {"labels": {"a": "b"}, "annotations": {"a": "b"}}, "metadata.annotations, metadata.labels", True),
    "a field of a newer version": ({}, {"newer": 1}, "metadata.newer", True),
    "deleted: a finalizer goes": (GOING, {**GOING, "finalizers": ["c/d"]}, "", False),
    "deleted: all finalizers go": (GOING, {**GOING, "finalizers": None, "managedFields": MANAGED}, "", False),
    "deleted: the owner goes": (GOING, {**GOING, "ownerReferences": []}, "", False),
    "deleted: both go": (GOING, {**GOING, "ownerReferences": [], "finalizers": []}, "", False),
    "deleted: a finalizer more": (GOING, {**GOING, "finalizers": ["a/b", "e/f"]}, "metadata.finalizers", True),
    "deleted: a label": (GOING, {**GOING, "labels": {"a": "b"}}, "metadata.labels", True),
    "deleted: a finalizer goes beside a label": (
        GOING,
        {**GOING, "finalizers": [], "labels": {"a": "b"}},
        "metadata.finalizers, metadata.labels",
        True,
    ),
    "deleted: who manages a field": (GOING, {**GOING, "managedFields": MANAGED}, "metadata.managedFields", True),
}


@pytest.mark.parametrize(("before", "after", "field", "matters"), METADATA.values(), ids=METADATA)
def test_of_metadata_all_matters_but_what_lets_go_of_a_deleted_object(
    before: Body,
    after: Body,
    field: str,
    matters: bool,  # noqa: FBT001
) -> None:
    asked = change(Membership, old=with_metadata(**before), new=with_metadata(**after))
    assert (asked.only_metadata, asked.matters) == (matters, matters)
    assert asked.field("spec.role") == (field or "spec.role")


@pytest.mark.parametrize(
    ("metadata", "only_removes"),
    [({}, True), ({"managedFields": MANAGED}, True), ({"labels": {"a": "b"}}, False), ({"finalizers": ["a/b"]}, False)],
    ids=str,
)
def test_an_owner_beside_other_metadata_is_more_than_a_removal(metadata: Body, only_removes: bool) -> None:  # noqa: FBT001
    asked = change(Membership, old=ALICE, new=with_metadata(ownerReferences=[OWNER], **metadata))
    assert asked.removes
    assert asked.only_removes is only_removes


@pytest.mark.parametrize("name", ["../", "a/b", "Alice", "alice\n", "", "a" * 254])
def test_a_name_that_no_object_has_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        change(Membership, new=with_metadata(name=name))


@pytest.mark.parametrize("operation", ["new", "old"])
def test_an_object_in_another_namespace_than_the_request_is_refused(operation: str) -> None:
    bodies: dict[str, Any] = {operation: stored(ALICE, "another")}
    asked = request(Membership, **{"old": None, "new": None, **bodies})
    with pytest.raises(ValueError, match="another namespace"):
        Change.of(asked, Membership)
