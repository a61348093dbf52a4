"""The index holds what feeds tell: keys by the hash of their token, the organization in force, and how tokens died."""

from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import (
    NOW,
    api_key,
    edited,
    issued,
    membership,
    organization,
    rotated,
    token_of,
    with_status,
)
from support.objects.sizes import sizes
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import format_time
from tenure.domain.verification import Code, Holding
from tenure.kube.list_watch import Indexed
from tenure.verifier import index as index_module
from tenure.verifier.index import Index

Body = dict[str, Any]

KEY = issued(api_key(), membership(), organization())
TOKEN = token_of(KEY)


def body(resource: Resource) -> Body:
    return resource.model_dump(by_alias=True, mode="json", exclude_none=True)


def filled(*resources: Resource) -> Index:
    index = Index()
    for resource in resources or (organization(), membership(), KEY):
        index.change(type(resource), body(resource), deleted=False, now=NOW)
    return index


def find(index: Index, token_hash: str) -> Holding | None:
    key = index.key(token_hash)
    return None if key is None else index.holding(key)


def deleted(index: Index, resource: Resource) -> None:
    index.change(type(resource), body(resource), deleted=True, now=NOW)


def after_role_change(*key_ids: str, generation: int = 2) -> Membership:
    """Alice after a role change that ended some tokens, as the operator recorded it an hour ago."""
    record = {
        "from": "Member",
        "to": "Viewer",
        "generation": generation,
        "at": format_time(NOW - timedelta(hours=1)),
        "keyCount": len(key_ids),
        "keys": [{"name": "ci-deploy", "keyId": key_id, "fate": "Deleted"} for key_id in key_ids],
    }
    status = {"observedGeneration": generation, "lastRoleChange": record}
    return membership(role="Viewer", generation=generation, status=status)


async def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    index = filled()
    await index.replace(ApiKey, [], NOW, namespace="another")
    assert find(index, TOKEN.hash) is not None
    await index.replace(ApiKey, [], NOW, namespace="acme")
    assert find(index, TOKEN.hash) is None


def test_a_key_is_found_by_its_tokens_hash_with_all_that_it_rests_on() -> None:
    holding = find(filled(), TOKEN.hash)
    assert holding is not None
    assert (holding.api_key, holding.membership, holding.organization) == (KEY, membership(), organization())
    assert find(filled(), "another") is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_in_which_kinds_are_told_does_not_matter(order: tuple[int, ...]) -> None:
    everything = (organization(), membership(), KEY)
    holding = find(filled(*(everything[number] for number in order)), TOKEN.hash)
    assert holding is not None
    assert (holding.membership, holding.organization) == (membership(), organization())


def test_a_key_that_was_never_issued_is_not_found() -> None:
    assert len(filled(organization(), membership(), api_key())) == 0


def test_a_namespace_has_one_organization_in_force_and_a_member_of_another_one_has_none() -> None:
    younger = organization("globex", created=NOW)
    holding = find(filled(organization(), younger, membership(organization="globex"), KEY), TOKEN.hash)
    assert holding is not None
    assert holding.organization is None


def test_the_same_names_in_another_namespace_are_other_objects() -> None:
    holding = find(filled(organization(namespace="globex"), membership(namespace="globex"), KEY), TOKEN.hash)
    assert holding is not None
    assert (holding.membership, holding.organization) == (None, None)


async def test_a_list_takes_away_what_is_not_in_it() -> None:
    index = filled()
    await index.replace(ApiKey, [], NOW)
    await index.replace(Membership, [Indexed.of(Membership, body(membership()))], NOW)
    assert find(index, TOKEN.hash) is None
    assert len(index) == 0


def test_an_object_that_does_not_fit_the_schema_counts_as_gone() -> None:
    index = filled()
    broken = body(membership())
    broken["spec"]["role"] = "Emperor"
    index.change(Membership, broken, deleted=False, now=NOW)
    holding = find(index, TOKEN.hash)
    assert holding is not None
    assert holding.membership is None


def test_a_new_token_takes_the_place_of_the_old_one() -> None:
    index = filled()
    renewed = issued(api_key(), membership(), organization(), key_id="A" * 12, hash="sha256:other")
    index.change(ApiKey, body(renewed), deleted=False, now=NOW)
    assert find(index, TOKEN.hash) is None
    assert find(index, "sha256:other") is not None
    revocation = index.revocation(TOKEN.key_id, NOW)
    assert revocation is not None
    assert (revocation.code, revocation.hash) == (Code.NOT_FOUND, TOKEN.hash)


def test_each_of_a_keys_tokens_is_found_and_judged_by_itself() -> None:
    index = filled(organization(), membership(), rotated(KEY, announced="N" * 12, former="F" * 12))
    for token_hash, key_id in (
        (TOKEN.hash, TOKEN.key_id),
        (f"sha256:{'N' * 12}", "N" * 12),
        (f"sha256:{'F' * 12}", "F" * 12),
    ):
        holding = find(index, token_hash)
        assert holding is not None
        assert holding.api_key.status.key_id == key_id
        assert index.revocation(key_id, NOW) is None


def test_a_token_is_judged_by_the_membership_of_its_own_stamp() -> None:
    """Alice's key names ci, which may be missing. Then its former token is alice's, and the present one is of ci."""
    handed_over, ci = edited(KEY, membership="ci"), membership("ci", kind="ServiceAccount")
    holding = find(filled(organization(), membership(), handed_over), TOKEN.hash)
    assert holding is not None
    assert holding.membership == membership()
    delivered = rotated(handed_over, former="F" * 12)
    stamp = issued(api_key(membership="ci"), ci, organization()).status.issued
    delivered = with_status(delivered, delivered.status.model_copy(update={"issued": stamp}))
    index = filled(organization(), membership(), ci, delivered)
    for token_hash, member in ((TOKEN.hash, ci), (f"sha256:{'F' * 12}", membership())):
        holding = find(index, token_hash)
        assert holding is not None
        assert holding.membership == member
    index.change(ApiKey, body(KEY), deleted=True, now=NOW)
    revocation = index.revocation("F" * 12, NOW)
    assert revocation is not None
    assert revocation.membership == "alice"


def test_a_former_token_that_is_dropped_is_remembered_as_expired_and_the_others_stay() -> None:
    ended = rotated(KEY, former="F" * 12, ends_at=NOW)
    index = filled(organization(), membership(), ended)
    index.change(ApiKey, body(KEY), deleted=False, now=NOW)
    assert find(index, f"sha256:{'F' * 12}") is None
    revocation = index.revocation("F" * 12, NOW)
    assert revocation is not None
    assert revocation.code is Code.EXPIRED
    assert find(index, TOKEN.hash) is not None


def test_whoever_writes_a_strangers_public_id_into_a_status_takes_nothing_from_the_stranger() -> None:
    index = filled()
    thief = issued(api_key("thief", namespace="globex"), membership(namespace="globex"), organization("globex"))
    stolen = thief.model_copy(update={"status": thief.status.model_copy(update={"key_id": TOKEN.key_id})})
    index.change(ApiKey, body(stolen), deleted=False, now=NOW)
    assert (holding := find(index, TOKEN.hash)) is not None
    assert holding.api_key == KEY
    deleted(index, stolen)
    assert find(index, TOKEN.hash) is not None


GONE: dict[str, tuple[Code, tuple[Resource, ...]]] = {
    "its holder deleted it": (Code.NOT_FOUND, ()),
    "the role had changed": (Code.ROLE_CHANGED, (membership(role="Viewer", generation=2),)),
    "the member was another one": (Code.MEMBERSHIP_GONE, (membership(uid="another"),)),
    "the organization was another one": (Code.ORGANIZATION_GONE, (organization(uid="another"),)),
}


@pytest.mark.parametrize(("code", "before"), GONE.values(), ids=GONE)
def test_a_key_that_goes_is_remembered_with_why_it_was_dead(code: Code, before: tuple[Resource, ...]) -> None:
    index = filled()
    for resource in before:
        index.change(type(resource), body(resource), deleted=False, now=NOW)
    deleted(index, KEY)
    revocation = index.revocation(TOKEN.key_id, NOW)
    assert revocation is not None
    assert (revocation.code, revocation.namespace, revocation.membership, revocation.hash) == (
        code,
        "acme",
        "alice",
        TOKEN.hash,
    )


def test_a_death_is_remembered_for_a_day() -> None:
    index = filled()
    deleted(index, KEY)
    assert index.revocation(TOKEN.key_id, NOW + timedelta(hours=23, minutes=59)) is not None
    assert index.revocation(TOKEN.key_id, NOW + timedelta(hours=24)) is None


def test_a_record_of_a_role_change_counts_as_long_as_it_stands() -> None:
    member = after_role_change(TOKEN.key_id)
    index = filled(organization(), member)
    revocation = index.revocation(TOKEN.key_id, NOW + timedelta(days=30))
    assert revocation is not None
    assert (revocation.code, revocation.at, revocation.membership, revocation.hash) == (
        Code.ROLE_CHANGED,
        NOW - timedelta(hours=1),
        "alice",
        None,
    )


@pytest.mark.parametrize("key_first", [True, False], ids=["the key goes first", "the record comes first"])
def test_the_time_of_a_role_change_is_the_recorded_one_and_the_hash_the_keys(*, key_first: bool) -> None:
    index, member = filled(), after_role_change(TOKEN.key_id)
    if key_first:
        deleted(index, KEY)
    index.change(Membership, body(member), deleted=False, now=NOW)
    if not key_first:
        deleted(index, KEY)
    revocation = index.revocation(TOKEN.key_id, NOW)
    assert revocation is not None
    assert (revocation.code, revocation.at, revocation.hash) == (
        Code.ROLE_CHANGED,
        NOW - timedelta(hours=1),
        TOKEN.hash,
    )


@pytest.mark.parametrize("gone", [True, False], ids=["the member goes", "the next role change is recorded"])
def test_a_record_that_goes_is_remembered_for_a_day(*, gone: bool) -> None:
    index = filled(organization(), after_role_change(TOKEN.key_id))
    if gone:
        deleted(index, after_role_change(TOKEN.key_id))
    else:
        index.change(Membership, body(after_role_change(generation=3)), deleted=False, now=NOW)
    revocation = index.revocation(TOKEN.key_id, NOW)
    assert revocation is not None
    assert revocation.code is Code.ROLE_CHANGED
    assert index.revocation(TOKEN.key_id, NOW + timedelta(hours=24)) is None


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_REMEMBERED", 2)
    index = filled(organization(), membership())
    keys = [issued(api_key(f"key-{number}"), membership(), organization()) for number in range(3)]
    for key in keys:
        index.change(ApiKey, body(key), deleted=False, now=NOW)
        deleted(index, key)
    known = [index.revocation(token_of(key).key_id, NOW) is not None for key in keys]
    assert known == [False, True, True]


def test_an_organization_that_is_deleted_is_in_force_no_more() -> None:
    index = filled()
    index.change(Organization, body(organization()), deleted=True, now=NOW)
    holding = find(index, TOKEN.hash)
    assert holding is not None
    assert holding.organization is None


def test_when_the_organization_in_force_goes_the_next_one_is() -> None:
    younger = organization("globex", created=NOW)
    index = filled(younger, organization(), membership(organization="globex"), KEY)
    deleted(index, organization())
    holding = find(index, TOKEN.hash)
    assert holding is not None
    assert holding.organization == younger
    deleted(index, younger)
    holding = find(index, TOKEN.hash)
    assert holding is not None
    assert holding.organization is None


def test_objects_that_are_gone_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_REMEMBERED", 50)
    index = Index()

    def come_and_go(first: int) -> None:
        objects: list[Resource] = []
        for number in range(first, first + 200):
            place = f"ns-{number}"
            org, member = organization(namespace=place), membership(f"m-{number}", namespace=place)
            key = issued(api_key(f"k-{number}", membership=member.name, namespace=place), member, org)
            changed = after_role_change(str(number)).model_copy(update={"metadata": member.metadata})
            objects += [org, member, key, changed]
        for one in objects:
            index.change(type(one), body(one), deleted=False, now=NOW)
        for one in objects:
            deleted(index, one)

    come_and_go(0)
    before = sizes(index)
    for first in range(200, 2000, 200):
        come_and_go(first)
    assert {path: size for path, size in sizes(index).items() if size > before[path]} == {}
