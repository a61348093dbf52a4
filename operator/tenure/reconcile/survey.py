"""What the controller's gauges show: read from the mirror and the queue when somebody wants to see them."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from tenure.domain.conditions import ready_reason
from tenure.domain.reasons import Reason
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.domain.roles import Role
from tenure.metrics.catalogue import (
    KEY_EXPIRY,
    KEY_REASONS,
    KEYS,
    LIST_TIMESTAMP,
    MEMBERSHIPS,
    ORGANIZATION_INFO,
    ORGANIZATION_KEYS,
    ORGANIZATION_OWNERS,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    QUEUE_RETRYING,
    UNRECONCILED,
    WATCH_LAG,
    WATCH_NEWS_TIMESTAMP,
)
from tenure.metrics.model import Metric, Queue, Reading
from tenure.reconcile.context import Context
from tenure.reconcile.queue import WorkQueue

SHORTEST_LIFE = timedelta(days=14)
"""Keys that live shorter are renewed by programs, and somebody is to learn of those that nobody renews."""

_AT_ONCE = 500
"""Objects that are looked at before others get their turn: about half a millisecond."""


class _First(NamedTuple):
    """The key of an organization that expires first."""

    at: datetime
    name: str


async def survey_objects(context: Context) -> list[Reading]:
    """How many objects there are of each sort, and what each Organization looks like."""
    reasons, roles = Counter[str](), Counter[str]()
    first: dict[str, _First] = {}
    organizations: list[Organization] = []
    for number, resource in enumerate(context.mirror.all()):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        match resource:
            case ApiKey():
                reasons[ready_reason(resource.status.conditions) or UNRECONCILED] += 1
                _note_expiry(resource, first)
            case Membership():
                roles[resource.spec.role.value] += 1
            case Organization():
                organizations.append(resource)
    return [
        *(Reading(KEYS, reasons[reason], (reason,)) for reason in KEY_REASONS),
        *(Reading(MEMBERSHIPS, roles[role.value], (role.value,)) for role in Role),
        *(reading for one in organizations for reading in _describe(one, context, first)),
    ]


def survey_work(
    context: Context, queues: Mapping[Queue, WorkQueue], listed_at: Mapping[type[Resource], float]
) -> Sequence[Reading]:
    """How the queues, the lists and the watches do."""
    watches = context.watches
    now, wall = asyncio.get_running_loop().time(), time.time()
    told_at = {kind: at for kind in KINDS if (at := watches.told_at(kind)) is not None}
    return [
        *(Reading(QUEUE_DEPTH, len(queue), (name.value,)) for name, queue in queues.items()),
        *(Reading(QUEUE_OLDEST, queue.oldest_seconds, (name.value,)) for name, queue in queues.items()),
        *(Reading(QUEUE_RETRYING, queue.retrying, (name.value,)) for name, queue in queues.items()),
        *_moments(LIST_TIMESTAMP, listed_at, wall - now),
        *_moments(WATCH_NEWS_TIMESTAMP, told_at, wall - now),
        *(Reading(WATCH_LAG, watches.lag(kind, now), (kind.kind,)) for kind in KINDS),
    ]


def _moments(metric: Metric, moments: Mapping[type[Resource], float], offset: float) -> Iterator[Reading]:
    return (Reading(metric, at + offset, (kind.kind,)) for kind, at in moments.items())


def _note_expiry(key: ApiKey, first: dict[str, _First]) -> None:
    status = key.status
    if status.expires_at is None or status.issued is None or ready_reason(status.conditions) != Reason.ISSUED:
        return
    known = first.get(key.namespace)
    if status.expires_at - status.issued.at >= SHORTEST_LIFE and (known is None or status.expires_at < known.at):
        first[key.namespace] = _First(status.expires_at, key.name)


def _describe(organization: Organization, context: Context, first: Mapping[str, _First]) -> Iterator[Reading]:
    labels, status = (organization.namespace, organization.name), organization.status
    policy = context.installation.policy(organization).when_keys_exist.value
    yield Reading(ORGANIZATION_INFO, 1, (*labels, ready_reason(status.conditions) or UNRECONCILED, policy))
    if context.mirror.organization_in_force(organization.namespace) is not organization:
        return
    if status.members is not None:
        yield Reading(ORGANIZATION_OWNERS, status.members.owner, labels)
    if status.keys is not None:
        yield Reading(ORGANIZATION_KEYS, status.keys.valid, labels)
    if (expiry := first.get(organization.namespace)) is not None:
        yield Reading(KEY_EXPIRY, expiry.at.timestamp(), (*labels, expiry.name))
