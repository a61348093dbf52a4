"""What a watch is yet to tell, and for how long."""

import pytest

from tenure.controller.refs import Ref
from tenure.controller.watch_lag import Watches
from tenure.domain.resources import ApiKey, Membership

LAPTOP, PHONE = Ref(ApiKey, "acme", "laptop"), Ref(ApiKey, "acme", "phone")


@pytest.fixture
def watches() -> Watches:
    return Watches()


def test_nothing_is_behind_where_nothing_is_known(watches: Watches) -> None:
    assert watches.lag(ApiKey, 1000.0) == 0
    assert watches.told_at(ApiKey) is None


def test_what_is_known_and_not_told_makes_its_kind_late(watches: Watches) -> None:
    watches.expect(LAPTOP, 7, at=10.0)
    assert watches.lag(ApiKey, 25.0) == 15
    assert watches.lag(Membership, 25.0) == 0


@pytest.mark.parametrize(("version", "lag"), [(6, 15), (7, 0), (8, 0)])
def test_it_is_told_by_that_version_or_a_newer_one(watches: Watches, version: int, lag: float) -> None:
    watches.expect(LAPTOP, 7, at=10.0)
    watches.tell(LAPTOP, version, at=11.0)
    assert watches.lag(ApiKey, 25.0) == lag
    assert watches.told_at(ApiKey) == 11.0


def test_what_became_known_first_counts_also_if_more_became_known_of_it(watches: Watches) -> None:
    watches.expect(LAPTOP, 7, at=10.0)
    watches.expect(PHONE, 8, at=11.0)
    watches.expect(LAPTOP, 9, at=12.0)
    watches.tell(LAPTOP, 8, at=13.0)
    assert watches.lag(ApiKey, 20.0) == 10
    watches.tell(LAPTOP, 9, at=13.0)
    assert watches.lag(ApiKey, 20.0) == 9


def test_of_what_is_gone_nothing_is_expected(watches: Watches) -> None:
    watches.expect(LAPTOP, 7, at=10.0)
    watches.forget(LAPTOP)
    assert watches.lag(ApiKey, 25.0) == 0


def test_an_older_version_is_expected_where_a_restored_store_has_no_newer_one(watches: Watches) -> None:
    watches.expect(LAPTOP, 90, at=10.0)
    watches.forget(LAPTOP)
    watches.expect(LAPTOP, 7, at=20.0)
    watches.tell(LAPTOP, 7, at=21.0)
    assert watches.lag(ApiKey, 25.0) == 0
