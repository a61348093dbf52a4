"""What the gauges show of organizations and of keys that expire."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta

import pytest

from support.objects.builders import ISSUED, NOW, api_key, issued, membership, organization, rotated, with_status
from tenure.controller.cache import Cache
from tenure.controller.gauges import survey_objects
from tenure.domain.installation import DEFAULTS
from tenure.domain.resources import ApiKey, Organization
from tenure.observability.catalogue import (
    FORMER_TOKENS,
    KEY_EXPIRY,
    MOST_NAMED_KEYS,
    ORGANIZATION_INFO,
    ORGANIZATION_KEYS_EXPIRING,
    ORGANIZATION_KEYS_UNUSED,
    ORGANIZATION_OWNERS,
    ROTATIONS_OVERDUE,
)
from tenure.observability.metrics import Metric, Reading

pytestmark = pytest.mark.asyncio(loop_scope="function")


def seen(*keys: ApiKey) -> Cache:
    """What is known of an organization with these keys."""
    cache = Cache()
    for resource in (acme(), membership(), *keys):
        cache.put(resource, 0.0)
    return cache


def acme(version: int = 1) -> Organization:
    return organization(version=version, status={"members": {"owner": 1, "member": 0, "analyst": 0, "viewer": 0}})


def expiring(name: str, days: float, **issue: str) -> ApiKey:
    """A key that expires in so many days."""
    key = issued(api_key(name), membership(), organization(), reason=issue.get("reason", "Issued"))
    status = key.status.model_copy(update={"expires_at": NOW + timedelta(days=days)})
    return with_status(key, status)


def values(readings: Iterable[Reading], metric: Metric) -> Sequence[tuple[tuple[str, ...], float]]:
    return [(one.labels, one.value) for one in readings if one.metric is metric]


async def named(*keys: ApiKey) -> list[str]:
    return [labels[-1] for labels, _ in values(await survey_objects(seen(*keys), DEFAULTS, NOW), KEY_EXPIRY)]


async def count(*keys: ApiKey) -> float:
    ((labels, value),) = values(await survey_objects(seen(*keys), DEFAULTS, NOW), ORGANIZATION_KEYS_EXPIRING)
    assert labels == ("acme", "acme")
    return value


async def test_keys_that_expire_soon_are_named_the_first_to_expire_first() -> None:
    keys = [expiring("a", 13.9), expiring("b", 3), expiring("c", -0.1), expiring("d", 30)]
    assert await named(*keys) == ["c", "b", "a"]


async def test_where_none_expires_soon_the_first_is_named() -> None:
    assert await named(expiring("a", 300), expiring("b", 30), expiring("c", 14.1)) == ["c"]
    assert await named() == []


async def test_of_many_keys_that_were_issued_together_the_first_are_named_and_all_are_counted() -> None:
    keys = [expiring(f"key-{number:02}", 3 + number / 100) for number in range(50)]
    assert await named(*reversed(keys)) == [f"key-{number:02}" for number in range(MOST_NAMED_KEYS)]
    assert await count(*keys) == len(keys)


async def test_former_tokens_and_rotations_that_are_overdue_are_counted() -> None:
    present = issued(api_key("a"), membership(), organization())
    keys = [rotated(present, former="F" * 12), overdue("late", 16), overdue("soon", 14), overdue("dead", 99, "Expired")]
    readings = await survey_objects(seen(*keys), DEFAULTS, NOW)
    assert values(readings, FORMER_TOKENS) == [((), 1)]
    assert values(readings, ROTATIONS_OVERDUE) == [((), 1)]


def overdue(name: str, minutes: int, reason: str = "Issued") -> ApiKey:
    """A key that should have been rotated so many minutes ago."""
    key = issued(api_key(name), membership(), organization(), reason=reason)
    return with_status(key, key.status.model_copy(update={"rotates_at": NOW - timedelta(minutes=minutes)}))


async def test_keys_are_counted_that_expire_within_a_week() -> None:
    assert await count(expiring("a", 6.9), expiring("b", 7.1)) == 1
    assert await count() == 0


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(expiring("a", (ISSUED - NOW) / timedelta(days=1) + 13.9), id="it lives shorter than two weeks"),
        pytest.param(expiring("a", 3, reason="RoleMismatch"), id="it doesn't work"),
        pytest.param(issued(api_key(), membership(), organization()), id="it doesn't expire"),
        pytest.param(api_key(), id="it was never issued"),
    ],
)
async def test_others_are_neither_named_nor_counted(key: ApiKey) -> None:
    assert await named(key) == []
    assert await count(key) == 0


async def test_a_write_meanwhile_leaves_no_gap() -> None:
    cache = seen(expiring("a", 3))

    async def write() -> None:
        cache.put(acme(version=2), 0.0)

    readings, _ = await asyncio.gather(survey_objects(cache, DEFAULTS, NOW), write())
    for metric in (ORGANIZATION_INFO, ORGANIZATION_OWNERS, ORGANIZATION_KEYS_EXPIRING, KEY_EXPIRY):
        assert len(values(readings, metric)) == 1, metric.name


async def test_of_a_second_organization_only_that_it_is_there_is_told() -> None:
    cache = seen(expiring("a", 3))
    cache.put(organization("later", created=NOW, status={"members": {"owner": 5}}), 0.0)
    readings = await survey_objects(cache, DEFAULTS, NOW)
    assert len(values(readings, ORGANIZATION_INFO)) == 2
    assert values(readings, ORGANIZATION_OWNERS) == [(("acme", "acme"), 1)]
    assert [labels[:2] for labels, _ in values(readings, KEY_EXPIRY)] == [("acme", "acme")]


async def test_unused_keys_are_counted_only_if_use_is_known() -> None:
    cache = seen(expiring("a", 300), expiring("b", 300))
    assert values(await survey_objects(cache, DEFAULTS, NOW), ORGANIZATION_KEYS_UNUSED) == []
    since, until = str(ISSUED), str(NOW.date())
    cache.put(organization(version=2, status={"usageSince": since, "usageUntil": until}), 0.0)
    counted = values(await survey_objects(cache, DEFAULTS, NOW), ORGANIZATION_KEYS_UNUSED)
    assert {labels[-1]: number for labels, number in counted} == {"never": 2, "7d": 0, "30d": 0, "90d": 0}
