"""What is known of our Roles: a list never takes back what was written since, unless etcd was restored."""

import pytest

from tenure.controller.access.cache import Granted
from tenure.domain.access.bindings import Address, BoundKind, Observed

ALICE = Address(BoundKind.ROLE, "acme", "tenure-keys-alice")
OTHERS = [
    Address(BoundKind.ROLE_BINDING, "acme", "tenure-keys-alice"),
    Address(BoundKind.ROLE, "globex", "tenure-keys-alice"),
]


def observed(version: int, *names: str) -> Observed:
    return Observed(str(version), str(version), ("Membership", "u-1"), None, ",".join(names), frozenset(names))


def known(version: int = 10, *names: str) -> Granted:
    granted = Granted()
    granted.put(ALICE, observed(version, *names))
    return granted


def test_who_opens_a_secret_is_known_until_the_role_changes_or_goes() -> None:
    granted = known(10, "laptop", "deploy")
    assert granted.opening("acme", "deploy") == [ALICE]
    granted.put(ALICE, observed(11, "laptop"))
    assert (granted.opening("acme", "deploy"), granted.opening("acme", "laptop")) == ([], [ALICE])
    granted.drop(ALICE)
    granted.drop(ALICE)
    assert granted.opening("acme", "laptop") == []


@pytest.mark.parametrize("place", [None, "acme"])
def test_a_list_brings_what_is_newer_and_takes_what_is_gone(place: str | None) -> None:
    granted = known(10, "laptop")
    granted.take_in(BoundKind.ROLE, place, {ALICE: observed(20, "deploy")}, 25)
    assert granted.objects == {ALICE: observed(20, "deploy")}
    granted.take_in(BoundKind.ROLE, place, {}, 30)
    assert granted.objects == {}


def test_a_list_made_before_our_write_changes_nothing() -> None:
    granted = known(20, "laptop", "deploy")
    granted.take_in(BoundKind.ROLE, None, {ALICE: observed(10, "laptop")}, 15)
    assert granted.opening("acme", "deploy") == [ALICE]
    granted.take_in(BoundKind.ROLE, None, {}, 16)
    assert granted.objects == {ALICE: observed(20, "laptop", "deploy")}


def test_a_list_of_an_earlier_time_takes_the_place_of_everything_it_speaks_of() -> None:
    granted = known(20, "laptop", "deploy")
    granted.take_in(BoundKind.ROLE, None, {ALICE: observed(20, "laptop", "deploy")}, 25)
    granted.take_in(BoundKind.ROLE, None, {ALICE: observed(10, "deploy")}, 15)
    assert granted.objects == {ALICE: observed(10, "deploy")}


def test_a_list_says_nothing_of_another_kind_or_place() -> None:
    granted = known()
    for address in OTHERS:
        granted.put(address, observed(10))
    granted.take_in(BoundKind.ROLE, "acme", {}, 30)
    assert set(granted.objects) == set(OTHERS)


def test_what_is_in_a_namespace_is_known_until_it_goes() -> None:
    granted = known()
    for address in OTHERS:
        granted.put(address, observed(10))
    assert set(granted.in_namespace("acme")) == {ALICE, OTHERS[0]}
    granted.drop(ALICE)
    granted.drop(OTHERS[0])
    assert granted.in_namespace("acme") == []
    assert granted.in_namespace("globex") == [OTHERS[1]]
