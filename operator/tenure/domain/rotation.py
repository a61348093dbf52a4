"""Says when a key is rotated, and how long its former token stays valid."""

import hashlib
from datetime import datetime, timedelta

from tenure.domain.durations import parse_duration
from tenure.domain.policy import DEFAULT_OVERLAP, MAX_OVERLAP
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.organization import PolicyInForce
from tenure.domain.resources.stamp import FormerToken

SHORTEST_PERIOD = timedelta(minutes=1)
"""Time between a new token of a key and its next rotation. A first token can be rotated at once."""

_DELIVERY_TIME = timedelta(seconds=5)
"""Time after an announcement in which no other token is announced."""

_SPREAD = 0.1
"""The part of `every` by which keys are rotated early, each by another one."""


def rotates_at(api_key: ApiKey, issued_at: datetime | None) -> datetime | None:
    """Return when `every` rotates a token that was issued at `issued_at`, or None if it doesn't."""
    every = api_key.rotation.every
    if every is None or issued_at is None:
        return None
    early = int.from_bytes(hashlib.sha256(api_key.metadata.uid.encode()).digest()[:4]) / 2**32
    return (issued_at + parse_duration(every) * (1 - _SPREAD * early)).replace(microsecond=0)


def is_requested(api_key: ApiKey) -> bool:
    """Return whether `request` asks for a rotation that wasn't served yet."""
    stamp, request = api_key.status.issued, api_key.rotation.request
    return stamp is not None and request is not None and request > (stamp.request or 0)


def rotation_due(api_key: ApiKey) -> datetime | None:
    """Return when a key is to be rotated next, apart from what may hinder it. None if nothing asks for it."""
    stamp = api_key.status.issued
    if stamp is None:
        return None
    is_first = (stamp.sequence or 1) == 1
    first = stamp.at if is_first else stamp.at + SHORTEST_PERIOD
    if is_requested(api_key) or api_key.is_handed_over:
        return first
    scheduled = rotates_at(api_key, stamp.at)
    return None if scheduled is None else max(scheduled, first)


def wait_until_due(api_key: ApiKey, at: datetime) -> timedelta:
    """Return how long a new token still has to wait at a moment of the API server's clock, which the stamps have.

    It is zero if a rotation is due. Otherwise this machine's clock is ahead. If another process has just announced a
    token, it has a moment to deliver it. Two that replaced each other's announcements at once would never deliver one.
    """
    due, successor = rotation_due(api_key), api_key.status.next
    if successor is not None:
        return max(_DELIVERY_TIME - abs(at - successor.issued.at), timedelta())
    return timedelta() if due is None else max(due - at, timedelta())


def overlap_of(api_key: ApiKey, organization: Organization) -> timedelta:
    """Return how long a former token stays valid by the rules of the key and of its organization."""
    rules = organization.spec.keys
    wanted = api_key.rotation.overlap or (rules and rules.default_overlap) or DEFAULT_OVERLAP
    most = (rules and rules.max_overlap) or MAX_OVERLAP
    return min(parse_duration(wanted), parse_duration(most))


def overlap_in_force(api_key: ApiKey, organization: Organization, policy: PolicyInForce) -> timedelta:
    """Return how long a former token stays valid, by the installation's limit too."""
    overlap = overlap_of(api_key, organization)
    return overlap if policy.max_overlap is None else min(overlap, parse_duration(policy.max_overlap))


def former_end(former: FormerToken, overlap: timedelta) -> datetime:
    """Return when a former token ends: a shorter overlap brings its end forward, and nothing extends it."""
    return min(former.ends_at, former.replaced_at + overlap)
