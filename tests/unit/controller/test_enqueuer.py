"""Whom a change concerns: a table of changes in a small organization."""

from typing import Any

import pytest

from support.objects.builders import NOW, api_key, condition, edited, issued, membership, organization
from support.objects.invitations import inviting
from tenure.controller.cache import Cache
from tenure.controller.enqueuer import effects
from tenure.controller.refs import ref_of
from tenure.domain.resources import ApiKey, Membership, Organization, Resource

LIMIT = {"maxPerMember": 1}
ORG, ALICE, BOB = organization(keys=LIMIT), membership(), membership("bob")
SEEN = {"observedGeneration": 1}
RECORDED = {"observedGeneration": 2, "role": "Viewer"}
CHANGE = {"from": "Member", "to": "Viewer", "generation": 2, "at": "2027-02-22T08:30:00Z", "keyCount": 1, "keys": []}
QUOTA = {"observedGeneration": 1, "conditions": [condition("Ready", "QuotaExceeded", holds=False)]}

A, B = issued(api_key("a"), ALICE, ORG), issued(api_key("b", membership="bob"), BOB, ORG)
WAITS = api_key("waits", status=QUOTA)
BOBS = api_key("bobs", membership="bob", status=QUOTA)
ELSEWHERE = [organization("other", namespace="other"), membership(namespace="other"), api_key("x", namespace="other")]
WORLD: list[Resource] = [ALICE, BOB, A, B, WAITS, BOBS, *ELSEWHERE]

SUMS = ["Membership alice settled", "Organization acme settled"]
ALL_BUT_KEYS = ["Organization acme", "Membership alice", "Membership bob"]
ALL = [*ALL_BUT_KEYS, "ApiKey a", "ApiKey b", "ApiKey bobs", "ApiKey waits"]
ALICES = ["Organization acme settled", "ApiKey a", "ApiKey waits"]


def _effects(old: Resource | None, new: Resource | None, org: Organization = ORG) -> list[str]:
    """What a change leads to, in the world as it is after the change."""
    cache = Cache()
    for resource in (org, *WORLD):
        cache.put(resource, 0.0)
    ref = ref_of(old or new or ORG)
    if (known := cache.get(*ref)) is not None:
        cache.remove(ref, known.metadata.uid)
    if old is not None:
        cache.put(old, 1.0)
    if new is not None:
        new = new.model_copy(update={"metadata": new.metadata.model_copy(update={"resource_version": "9"})})
    change = cache.put(new, 2.0) if new else cache.remove(ref, old.metadata.uid) if old else None
    assert change is not None
    return [
        f"{effect.ref.resource.kind} {effect.ref.name}" + (" settled" if effect.settled else "")
        for effect in effects(change, cache)
        if effect.ref.namespace == "acme" or pytest.fail(f"another namespace: {effect}")
    ]


def _member(status: dict[str, Any] = SEEN, **more: Any) -> Membership:
    return membership(status=status, **more)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(None, api_key("new"), SUMS, id="created"),
        pytest.param(A, A, [], id="nothing new"),
        pytest.param(
            A,
            A.model_copy(update={"metadata": A.metadata.model_copy(update={"gitops_mark": "argocd"})}),
            [],
            id="metadata",
        ),
        pytest.param(api_key("a"), A, [*SUMS, "ApiKey waits"], id="issued"),
        pytest.param(A, edited(A, suspended=True), [*SUMS, "ApiKey waits"], id="spec"),
        pytest.param(A, issued(A, ALICE, ORG, key_id="k" * 12), [*SUMS, "ApiKey waits"], id="another token"),
        pytest.param(A, issued(A, ALICE, ORG, reason="Suspended"), [*SUMS, "ApiKey waits"], id="another reason"),
        pytest.param(A, issued(A, ALICE, ORG, secret_uid=None), [*SUMS, "ApiKey waits"], id="ended: a place is free"),
        pytest.param(A, None, [*SUMS, "ApiKey waits"], id="deleted: a place is free"),
        pytest.param(
            A,
            edited(A, membership="bob"),
            ["Membership alice settled", "Membership bob settled", "Organization acme settled", "ApiKey waits"],
            id="handed over",
        ),
        pytest.param(
            A, issued(api_key("a", deleting=True), ALICE, ORG), [*SUMS, "ApiKey waits"], id="going: a place is free"
        ),
        pytest.param(
            B,
            None,
            ["Membership bob settled", "Organization acme settled", "ApiKey bobs"],
            id="of another member: the place is theirs",
        ),
    ],
)
def test_a_key_concerns_its_member_its_organization_and_who_waits_for_its_place(
    old: ApiKey | None, new: ApiKey | None, expected: list[str]
) -> None:
    assert _effects(old, new) == expected


def test_whoever_waits_for_room_is_told_under_the_default_limit_too() -> None:
    assert "ApiKey waits" in _effects(A, None, organization())


def test_a_key_created_again_for_another_member_concerns_both() -> None:
    again = api_key("a", uid="new", membership="bob")
    assert {"Membership alice settled", "Membership bob settled", "ApiKey waits"} <= set(_effects(A, again))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(None, _member(), ALICES, id="created"),
        pytest.param(_member(), _member(), [], id="nothing new"),
        pytest.param(
            _member(),
            _member(generation=2, role="Viewer"),
            ["Organization acme settled"],
            id="role changed: the record comes first",
        ),
        pytest.param(
            _member(),
            _member({**SEEN, "invitation": {"acceptedAt": "2027-02-22T08:30:00Z"}}),
            ALICES,
            id="accepted",
        ),
        pytest.param(
            _member(), _member({**SEEN, "invitation": {"sentAt": "2027-02-22T08:30:00Z"}}), [], id="a letter was sent"
        ),
        pytest.param(
            _member(generation=2, role="Viewer"),
            _member(RECORDED, generation=2, role="Viewer"),
            ALICES,
            id="role change observed",
        ),
        pytest.param(
            _member(RECORDED, generation=2),
            _member({**RECORDED, "lastRoleChange": CHANGE}, generation=2),
            ALICES,
            id="late keys recorded",
        ),
        pytest.param(
            _member({**SEEN, "keyCount": 1}), _member({**SEEN, "keyCount": 2}), [], id="only its sums changed"
        ),
        pytest.param(_member(), _member(deleting=True), ALICES, id="going"),
        pytest.param(_member(), _member(deleting=True, generation=2), ALICES, id="going, not recorded"),
        pytest.param(_member(), None, ALICES, id="deleted"),
        pytest.param(_member(), _member({}, uid="another"), ALICES, id="created again, not recorded"),
    ],
)
def test_a_member_concerns_its_organization_and_its_keys(
    old: Membership | None, new: Membership | None, expected: list[str]
) -> None:
    assert _effects(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(None, organization(), ALL, id="created"),
        pytest.param(ORG, ORG, [], id="nothing new"),
        pytest.param(ORG, organization(status=SEEN), [], id="status"),
        pytest.param(inviting(), inviting(since=NOW), ALL, id="since when acceptance is asked for"),
        pytest.param(ORG, organization(labels={"a": "b"}), [], id="metadata"),
        pytest.param(ORG, organization(generation=2, suspended=True), ALL, id="spec"),
        pytest.param(ORG, organization(deleting=True), ALL, id="going"),
        pytest.param(ORG, organization(uid="another"), ALL, id="created again"),
        pytest.param(ORG, None, [each for each in ALL if each != "Organization acme"], id="deleted"),
    ],
)
def test_an_organization_concerns_its_whole_namespace(
    old: Organization | None, new: Organization | None, expected: list[str]
) -> None:
    assert sorted(_effects(old, new)) == sorted(expected)


def test_an_organization_concerns_the_others_of_its_namespace() -> None:
    assert "Organization acme" in _effects(None, organization("second"))
