"""The cache: the newest state wins, and look-ups see it."""

from collections.abc import Iterable

import pytest

from support.objects.builders import CREATED, api_key, edited, issued, membership, organization
from tenure.controller.cache import Cache
from tenure.controller.refs import Change, Ref, ref_of
from tenure.domain.resources import ApiKey, Membership, Organization, Resource

KEY = Ref(ApiKey, "acme", "ci-deploy")
LATER = CREATED.replace(year=2028)


def _cache(*resources: Resource) -> Cache:
    cache = Cache()
    for seen_at, resource in enumerate(resources):
        cache.put(resource, float(seen_at))
    return cache


def _names(resources: Iterable[Resource]) -> list[str]:
    return sorted(resource.name for resource in resources)


def test_a_reference_is_the_kind_and_the_place() -> None:
    assert ref_of(api_key()) == KEY
    assert str(KEY) == "ApiKey acme/ci-deploy"
    assert ref_of(membership("ci-deploy")) != KEY
    assert ref_of(api_key(namespace="other")) != KEY


def test_the_first_state_is_news() -> None:
    cache, key = Cache(), api_key()
    assert cache.put(key, 1.0) == Change(KEY, None, key)
    assert cache.get(ApiKey, "acme", "ci-deploy") == key
    assert cache.seen_at(KEY) == 1.0


@pytest.mark.parametrize(
    ("old", "new", "wins"),
    [
        pytest.param(api_key(version=5), api_key(version=6), True, id="newer"),
        pytest.param(api_key(version=5), api_key(version=5), False, id="same"),
        pytest.param(api_key(version=5), api_key(version=4), False, id="older"),
        pytest.param(api_key(version=9), api_key(version=10), True, id="newer as a number, older as a text"),
        pytest.param(api_key(version=10), api_key(version=9), False, id="older as a number, newer as a text"),
        pytest.param(api_key(version=5), api_key(version=6, uid="another"), True, id="created again"),
        pytest.param(api_key(version=5), api_key(version=4, uid="another"), False, id="one of the name before"),
        pytest.param(
            api_key(version=5), api_key(version=6, membership="bob"), True, id="created again for another member"
        ),
    ],
)
def test_the_newer_state_wins(old: ApiKey, new: ApiKey, *, wins: bool) -> None:
    cache = _cache(old)
    assert cache.put(new, 9.0) == (Change(KEY, old, new) if wins else None)
    held = new if wins else old
    assert cache.get(ApiKey, "acme", "ci-deploy") == held
    assert cache.seen_at(KEY) == (9.0 if wins else 0.0)
    assert cache.keys_of("acme", held.spec.membership) == [held]
    assert cache.keys_in("acme") == [held]
    assert cache.all() == [held]


def test_a_key_that_was_handed_over_is_one_of_both_members_until_its_former_token_is_gone() -> None:
    held = edited(issued(api_key(), membership(), organization()), membership="bob")
    cache = _cache(held)
    assert cache.keys_of("acme", "alice") == cache.keys_of("acme", "bob") == [held]
    bobs = issued(api_key(membership="bob", version=2), membership("bob"), organization())
    cache.put(bobs, 9.0)
    assert (cache.keys_of("acme", "alice"), cache.keys_of("acme", "bob")) == ([], [bobs])


@pytest.mark.parametrize(
    ("uid", "version", "holds"),
    [
        pytest.param("u-1", "4", True, id="older"),
        pytest.param("u-1", "5", True, id="same"),
        pytest.param("u-1", "6", False, id="newer"),
        pytest.param("u-1", "10", False, id="newer as a number"),
        pytest.param("u-2", "4", False, id="another object"),
    ],
)
def test_what_is_known_need_not_be_parsed(uid: str, version: str, *, holds: bool) -> None:
    cache = _cache(api_key(uid="u-1", version=5))
    assert cache.holds(KEY, {"uid": uid, "resourceVersion": version}) is holds
    assert not cache.holds(Ref(ApiKey, "acme", "unknown"), {"uid": uid, "resourceVersion": version})


@pytest.mark.parametrize("resource", [api_key(uid="u"), membership(uid="u"), organization(uid="u")])
def test_an_object_is_removed_by_its_uid(resource: Resource) -> None:
    cache, ref = _cache(resource), ref_of(resource)
    assert cache.remove(ref, "another") is None
    assert cache.all() == [resource]
    assert cache.remove(ref, "u") == Change(ref, resource, None)
    assert cache.remove(ref, "u") is None
    assert cache.get(type(resource), ref.namespace, ref.name) is None
    assert cache.seen_at(ref) == float("-inf")
    assert not cache.holds(ref, {"uid": "u", "resourceVersion": "1"})
    assert cache.all() == []
    assert cache.keys_in("acme") == []
    assert cache.memberships("acme") == []
    assert cache.organizations("acme") == []


def test_a_late_deletion_does_not_remove_the_object_that_has_the_name_now() -> None:
    cache = _cache(api_key(uid="old", version=1), api_key(uid="new", version=2))
    assert cache.remove(KEY, "old") is None
    assert cache.keys_of("acme", "alice") == [cache.get(ApiKey, "acme", "ci-deploy")]


def test_what_was_removed_can_come_back() -> None:
    cache = _cache(api_key(version=7))
    cache.remove(KEY, api_key().metadata.uid)
    restored = api_key(version=3)
    assert cache.put(restored, 2.0) == Change(KEY, None, restored), "as after a restore of etcd"


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_slow_answer_does_not_bring_back_what_a_watch_saw_end(*, known: bool) -> None:
    cache = _cache(api_key(uid="u", version=1)) if known else Cache()
    cache.remove(KEY, "u", for_good=True)
    assert cache.put(api_key(uid="u", version=2), 1.0) is None
    assert cache.all() == []
    again = api_key(uid="v", version=3)
    assert cache.put(again, 2.0) == Change(KEY, None, again), "another object of the name may come"


def test_a_late_end_is_believed_of_that_object_alone() -> None:
    cache = _cache(api_key(uid="new", version=2))
    assert cache.remove(KEY, "old", for_good=True) is None
    assert cache.put(api_key(uid="new", version=3), 1.0) is not None


def test_after_a_restore_of_etcd_deletions_are_forgotten() -> None:
    cache = _cache(api_key(uid="u", version=5))
    cache.remove(KEY, "u", for_good=True)
    cache.forget_deletions()
    restored = api_key(uid="u", version=3)
    assert cache.put(restored, 1.0) == Change(KEY, None, restored)


def test_an_object_of_another_kind_or_place_is_another_one() -> None:
    cache = _cache(api_key("same"), membership("same"), organization("same"), api_key("same", namespace="other"))
    assert len(list(cache.all())) == 4
    assert cache.get(Membership, "acme", "same") == membership("same")
    assert cache.get(Organization, "acme", "same") == organization("same")
    assert cache.get(ApiKey, "other", "same") == api_key("same", namespace="other")
    assert cache.get(Membership, "other", "same") is None


def test_keys_are_found_by_their_member_and_by_their_namespace() -> None:
    cache = _cache(
        api_key("a"), api_key("b"), api_key("c", membership="bob"), api_key("d", namespace="other"), membership()
    )
    assert _names(cache.keys_of("acme", "alice")) == ["a", "b"]
    assert _names(cache.keys_of("acme", "bob")) == ["c"]
    assert _names(cache.keys_of("other", "alice")) == ["d"]
    assert cache.keys_of("acme", "nobody") == []
    assert cache.keys_of("nowhere", "alice") == []
    assert _names(cache.keys_in("acme")) == ["a", "b", "c"]
    assert cache.keys_in("nowhere") == []


def test_a_key_created_again_for_another_member_leaves_the_former() -> None:
    cache = _cache(api_key(version=1), api_key(version=2, uid="new", membership="bob"))
    assert cache.keys_of("acme", "alice") == []
    assert _names(cache.keys_of("acme", "bob")) == ["ci-deploy"]
    assert len(cache.keys_in("acme")) == 1


def test_members_and_organizations_are_found_by_their_namespace() -> None:
    cache = _cache(membership(), membership("bob"), membership(namespace="other"), organization())
    assert _names(cache.memberships("acme")) == ["alice", "bob"]
    assert _names(cache.memberships("other")) == ["alice"]
    assert _names(cache.organizations("acme")) == ["acme"]
    assert cache.organizations("other") == []


def test_the_oldest_organization_is_in_force_and_only_under_its_name() -> None:
    cache = _cache(organization("young", created=LATER), organization("old"), organization("o", namespace="other"))
    old = cache.get(Organization, "acme", "old")
    assert cache.organization_in_force("acme") == old
    assert cache.organization_in_force("acme", "old") == old
    assert cache.organization_in_force("acme", "young") is None
    assert cache.organization_in_force("nowhere") is None
    assert old is not None
    cache.remove(ref_of(old), old.metadata.uid)
    in_force = cache.organization_in_force("acme", "young")
    assert in_force is not None
    assert in_force.name == "young"


def test_lists_are_the_callers_own() -> None:
    cache = _cache(api_key(), membership(), organization())
    for listed in (
        cache.keys_in("acme"),
        cache.keys_of("acme", "alice"),
        cache.memberships("acme"),
        cache.organizations("acme"),
        cache.all(),
    ):
        assert isinstance(listed, list)
        listed.clear()
    assert len(list(cache.all())) == 3
    assert len(cache.keys_of("acme", "alice")) == 1


def test_an_older_membership_displaces_one_whose_name_differs_in_case_only() -> None:
    first, second = membership("alice", version=1), membership("alice-2", subject="Alice@ACME.io", created=LATER)
    cache = _cache(first, second, membership("bob"), membership("ci", kind="ServiceAccount", subject="alice@acme.io"))
    assert [one.name for one in cache.namesakes(first)] == ["alice-2"]
    assert cache.displacing(second) == "alice"
    assert cache.displacing(first) is None
    cache.remove(ref_of(first), first.metadata.uid)
    assert cache.displacing(second) is None
