"""The controller's gauges, computed from the cache and the queues at each scrape."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import NamedTuple

from tenure.controller.cache import Cache
from tenure.controller.lanes import Lane
from tenure.controller.queue import WorkQueue
from tenure.controller.relist import Sweep
from tenure.controller.watch_lag import Watches
from tenure.domain.conditions import ready_reason
from tenure.domain.installation import Installation
from tenure.domain.reasons import Reason
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.domain.roles import Role
from tenure.domain.usage.recording import is_known
from tenure.domain.usage.words import BUCKETS, bucket
from tenure.observability.catalogue import (
    FORMER_TOKENS,
    KEY_EXPIRY,
    KEY_REASONS,
    KEYS,
    LIST_TIMESTAMP,
    MEMBERSHIPS,
    MOST_NAMED_KEYS,
    ORGANIZATION_INFO,
    ORGANIZATION_KEYS,
    ORGANIZATION_KEYS_EXPIRING,
    ORGANIZATION_KEYS_UNUSED,
    ORGANIZATION_OWNERS,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    QUEUE_RETRYING,
    ROTATIONS_OVERDUE,
    SWEEP_DURATION,
    UNRECONCILED,
    WATCH_LAG,
    WATCH_NEWS_TIMESTAMP,
)
from tenure.observability.metrics import Metric, Queue, Reading

SHORTEST_LIFE = timedelta(days=14)
"""Minimum lifetime of the keys whose expiry is reported. Keys that live shorter are renewed by programs, and the gauges
warn people of the keys that no program renews."""

EXPIRING_WITHIN = timedelta(days=7)
"""Keys that expire within this time are counted."""

NAMED_WITHIN = timedelta(days=14)
"""Keys that expire within this time are named, as far as `MOST_NAMED_KEYS` allows."""

OVERDUE_AFTER = timedelta(minutes=15)
"""Keys that should have been rotated longer ago than this are overdue."""

_AT_ONCE = 500
"""Number of objects that are counted before other tasks get their turn. They take about half a millisecond."""


class _Expiry(NamedTuple):
    """The time at which a key expires, and the key's name."""

    at: datetime
    name: str


class _Expiries:
    """The expiries of an organization's keys with a lifetime of at least `SHORTEST_LIFE`."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._first: _Expiry | None = None
        self._soon: list[_Expiry] = []

    def add(self, expiry: _Expiry) -> None:
        """Add the expiry of a key."""
        if self._first is None or expiry < self._first:
            self._first = expiry
        if expiry.at - self._now < NAMED_WITHIN:
            self._soon.append(expiry)

    @property
    def named(self) -> list[_Expiry]:
        """The keys to name: the earliest of those that expire soon, or the first to expire if none does."""
        if self._soon or self._first is None:
            return nsmallest(MOST_NAMED_KEYS, self._soon)
        return [self._first]

    @property
    def expiring(self) -> int:
        """Number of keys that expire within `EXPIRING_WITHIN`."""
        return sum(expiry.at - self._now < EXPIRING_WITHIN for expiry in self._soon)


async def survey_objects(cache: Cache, installation: Installation, now: datetime) -> list[Reading]:
    """Readings of the number of ApiKeys by reason and of Memberships by role, and of each Organization."""
    reasons, roles, former, overdue = Counter[str](), Counter[str](), 0, 0
    expiries = defaultdict[str, _Expiries](lambda: _Expiries(now))
    organizations: list[Organization] = []
    for number, resource in enumerate(cache.all()):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        match resource:
            case ApiKey():
                reasons[ready_reason(resource.status.conditions) or UNRECONCILED] += 1
                former += resource.status.previous is not None
                overdue += _is_overdue(resource, now)
                if (expiry := _expiry(resource)) is not None:
                    expiries[resource.namespace].add(expiry)
            case Membership():
                roles[resource.spec.role.value] += 1
            case Organization():
                organizations.append(resource)
    return [
        *(Reading(KEYS, reasons[reason], (reason,)) for reason in KEY_REASONS),
        Reading(FORMER_TOKENS, former),
        Reading(ROTATIONS_OVERDUE, overdue),
        *(Reading(MEMBERSHIPS, roles[role.value], (role.value,)) for role in Role),
        *(
            reading
            for one in organizations
            for reading in _describe(one, cache, installation, expiries[one.namespace], now)
        ),
    ]


def survey_work(
    watches: Watches, queues: Mapping[Queue, WorkQueue], listed_at: Mapping[type[Resource], float]
) -> Sequence[Reading]:
    """Readings of the queues, the lists and the watches."""
    now, wall = asyncio.get_running_loop().time(), time.time()
    told_at = {kind: at for kind in KINDS if (at := watches.told_at(kind)) is not None}
    return [
        *(
            Reading(QUEUE_DEPTH, queue.waiting(lane), (name.value, lane.name.lower()))
            for name, queue in queues.items()
            for lane in Lane
        ),
        *(Reading(QUEUE_OLDEST, queue.oldest_seconds, (name.value,)) for name, queue in queues.items()),
        *(Reading(QUEUE_RETRYING, queue.retrying, (name.value,)) for name, queue in queues.items()),
        *_moments(LIST_TIMESTAMP, listed_at, wall - now),
        *_moments(WATCH_NEWS_TIMESTAMP, told_at, wall - now),
        *(Reading(WATCH_LAG, watches.lag(kind, now), (kind.kind,)) for kind in KINDS),
    ]


def survey_sweep(sweep: Sweep) -> Sequence[Reading]:
    """Readings of the rounds over all keys."""
    latest = [] if sweep.latest_seconds is None else [Reading(SWEEP_DURATION, sweep.latest_seconds, ("latest",))]
    return [Reading(SWEEP_DURATION, sweep.planned_seconds, ("present",)), *latest]


def _moments(metric: Metric, moments: Mapping[type[Resource], float], offset: float) -> Iterator[Reading]:
    return (Reading(metric, at + offset, (kind.kind,)) for kind, at in moments.items())


def _is_overdue(key: ApiKey, now: datetime) -> bool:
    """Whether `every` should have rotated a working key a while ago."""
    due = key.status.rotates_at
    return due is not None and now - due > OVERDUE_AFTER and ready_reason(key.status.conditions) == Reason.ISSUED


def _expiry(key: ApiKey) -> _Expiry | None:
    """The expiry of a key, or None unless the key works and has a lifetime of at least `SHORTEST_LIFE`."""
    status = key.status
    if status.expires_at is None or status.issued is None or ready_reason(status.conditions) != Reason.ISSUED:
        return None
    lives_long = status.expires_at - status.issued.at >= SHORTEST_LIFE
    return _Expiry(status.expires_at, key.name) if lives_long else None


def _describe(
    organization: Organization, cache: Cache, installation: Installation, expiries: _Expiries, now: datetime
) -> Iterator[Reading]:
    labels, status = (organization.namespace, organization.name), organization.status
    policy = installation.policy(organization).when_keys_exist.value
    yield Reading(ORGANIZATION_INFO, 1, (*labels, ready_reason(status.conditions) or UNRECONCILED, policy))
    in_force = cache.organization_in_force(organization.namespace)
    # Compared by uid, because its status may have been written since the snapshot.
    if in_force is None or in_force.metadata.uid != organization.metadata.uid:
        return
    if status.members is not None:
        yield Reading(ORGANIZATION_OWNERS, status.members.owner, labels)
    if status.keys is not None:
        yield Reading(ORGANIZATION_KEYS, status.keys.valid, labels)
    yield Reading(ORGANIZATION_KEYS_EXPIRING, expiries.expiring, labels)
    if is_known(organization, now):
        counts = Counter(bucket(key, organization, now) for key in cache.keys_in(organization.namespace))
        yield from (Reading(ORGANIZATION_KEYS_UNUSED, counts[name], (*labels, name)) for name in BUCKETS)
    for expiry in expiries.named:
        yield Reading(KEY_EXPIRY, expiry.at.timestamp(), (*labels, expiry.name))
