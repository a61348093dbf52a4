"""Decides whose turn it is to take the owners' Lease.

The Lease is free once its holder's Membership has changed, because the holder's write was then stored or will meet a
conflict. Whoever reaches the webhook can also make it take the Lease for a change that never comes, again and again. So
a holder can't prolong the Lease while others wait, and others get their turn in the order in which they began to wait.

The first Owner of an organization takes the same Lease if a rule of the organization denies all others. It is free once
there is an Owner. If that Owner never comes, for example because another webhook rejects the change each time, the
Lease can't be prolonged for more than one turn.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tenure.domain.lease import Lease

_ARRIVING = "first-owner/"


def may_take(lease: Lease | None, uid: str, versions: Mapping[str, str], now: datetime) -> bool:
    """Return whether an Owner may take the Lease now.

    Args:
        lease: The Lease as it was read, or None if there is none.
        uid: The uid of the Owner's Membership.
        versions: The resourceVersion of each Owner's Membership, by its uid.
        now: The present moment.
    """
    if lease is None or is_free(lease, versions):
        return True
    waiting = [one for one in lease.waiting if one in versions and one != lease.holder]
    if not lease.expired(now):
        # The same change may be judged twice, for example because a webhook's answer was lost.
        # First Owners form no line, so another one may always be waiting.
        alone = not waiting and not lease.holder.startswith(_ARRIVING)
        return lease.holder == uid and (alone or now < lease.acquired + _turn(lease))
    place = waiting.index(uid) if uid in waiting else len(waiting)
    # The first may take it from now on. If it doesn't come back, it is the next one's turn too.
    return now >= lease.expiry + place * _turn(lease)


def taken(lease: Lease | None, claim: Lease) -> Lease:
    """Return the Lease as a new holder takes it, or its holder renews it. Those whose turn is over leave the line."""
    if lease is None:
        return claim
    claim = replace(claim, resource_version=lease.resource_version)
    if (lease.holder, lease.held_version) == (claim.holder, claim.held_version) and claim.acquired < lease.expiry:
        return replace(claim, acquired=lease.acquired, renewed=claim.acquired, waiting=lease.waiting)
    if claim.holder in lease.waiting:
        over = lease.waiting.index(claim.holder) + 1
    else:
        over = len(lease.waiting) if lease.expired(claim.acquired) else 0
    return replace(claim, waiting=lease.waiting[over:])


def with_waiting(lease: Lease, uid: str, versions: Mapping[str, str]) -> Lease | None:
    """Return the Lease with an Owner at the end of the line, or None if the Owner waits already or holds it."""
    if uid in lease.waiting or uid == lease.holder or uid not in versions:
        return None
    return replace(lease, waiting=(*(one for one in lease.waiting if one in versions), uid))


def arriving(name: str) -> str:
    """Return the holder of the Lease while a Membership of this name becomes the first Owner's.

    It has no uid yet that another try would have too.
    """
    return f"{_ARRIVING}{name}"


def is_free(lease: Lease, versions: Mapping[str, str]) -> bool:
    """Return whether the holder's Membership is gone, is no Owner's any more, or has changed since.

    A first Owner's lease is free once anybody is an Owner.
    """
    if lease.holder.startswith(_ARRIVING):
        return bool(versions)
    return lease.held_version != versions.get(lease.holder)


def _turn(lease: Lease) -> timedelta:
    return timedelta(seconds=lease.seconds)
