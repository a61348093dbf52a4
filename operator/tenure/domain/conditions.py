"""Builds status conditions, and keeps the transition time of a condition whose status stays the same."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

from tenure.domain.reasons import GRACE, STALLED, ConditionType, Reason
from tenure.domain.resources.base import Condition, ConditionStatus


def find_condition(conditions: Sequence[Condition], type_: ConditionType) -> Condition | None:
    """Return the condition of this type, or None."""
    return next((condition for condition in conditions if condition.type == type_), None)


def ready_reason(conditions: Sequence[Condition]) -> str | None:
    """Return the reason of the Ready condition, or None before the first reconciliation."""
    ready = find_condition(conditions, ConditionType.READY)
    return None if ready is None else ready.reason


def is_ready(conditions: Sequence[Condition]) -> bool:
    """Return whether the Ready condition is True."""
    ready = find_condition(conditions, ConditionType.READY)
    return ready is not None and ready.status is ConditionStatus.TRUE


def renew_condition(
    old: Sequence[Condition],
    type_: ConditionType,
    *,
    holds: bool,
    reason: Reason,
    message: str,
    generation: int,
    now: datetime,
) -> Condition:
    """Build the present condition of a type. The transition time is kept unless the status changes."""
    status = ConditionStatus.TRUE if holds else ConditionStatus.FALSE
    previous = find_condition(old, type_)
    same = previous is not None and previous.status is status
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=previous.last_transition_time if same and previous else now.replace(microsecond=0),
    )


def readiness(
    old: Sequence[Condition],
    *,
    kind: str,
    ready: bool,
    reason: Reason,
    message: str,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """Build the Ready condition, followed by Stalled if the reason lasts until a user acts (`STALLED`).

    Stalled is False at first for reasons with a grace (`GRACE`), because other writes may end the state.
    """
    renewed: _Renewed = {"reason": reason, "message": message, "generation": generation, "now": now}
    conditions = [renew_condition(old, ConditionType.READY, holds=ready, **renewed)]
    if reason in STALLED:
        grace = _grace(kind, reason)
        begun = _begun(old, kind, grace)
        holds = not grace or _is_over(begun, reason, generation, now - grace)
        conditions.append(renew_condition(begun, ConditionType.STALLED, holds=holds, **renewed))
    return conditions


def stalls_at(conditions: Sequence[Condition], kind: str) -> datetime | None:
    """Return when Stalled becomes True in an object of this kind, or None if it is already or doesn't."""
    stalled = find_condition(conditions, ConditionType.STALLED)
    if stalled is None or stalled.status is ConditionStatus.TRUE:
        return None
    return stalled.last_transition_time + _grace(kind, stalled.reason)


class _Renewed(TypedDict):
    reason: Reason
    message: str
    generation: int
    now: datetime


def _grace(kind: str, reason: str) -> timedelta:
    return GRACE.get((kind, reason), timedelta())


def _begun(old: Sequence[Condition], kind: str, grace: timedelta) -> Sequence[Condition]:
    """Return the conditions that a grace of this length may have begun in. Another one's time doesn't count."""
    stalled = find_condition(old, ConditionType.STALLED)
    if stalled is None or stalled.status is ConditionStatus.TRUE or _grace(kind, stalled.reason) == grace:
        return old
    return [condition for condition in old if condition is not stalled]


def _is_over(old: Sequence[Condition], reason: Reason, generation: int, before: datetime) -> bool:
    """Return whether the grace is over: it began at `before` or earlier, or was over already for this very state."""
    stalled = find_condition(old, ConditionType.STALLED)
    if stalled is None:
        return False
    if stalled.status is ConditionStatus.TRUE:
        return (stalled.reason, stalled.observed_generation) == (reason, generation)
    return stalled.last_transition_time <= before
