"""Builds status conditions, and keeps the transition time of a condition whose status stays the same."""

from collections.abc import Sequence
from datetime import datetime

from tenure.domain.reasons import STALLED, ConditionType, Reason
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
    old: Sequence[Condition], *, ready: bool, reason: Reason, message: str, generation: int, now: datetime
) -> list[Condition]:
    """Build the Ready condition, followed by Stalled if the reason lasts until a user acts (`STALLED`)."""
    conditions = [
        renew_condition(
            old,
            ConditionType.READY,
            holds=ready,
            reason=reason,
            message=message,
            generation=generation,
            now=now,
        )
    ]
    if reason in STALLED:
        conditions.append(
            renew_condition(
                old,
                ConditionType.STALLED,
                holds=True,
                reason=reason,
                message=message,
                generation=generation,
                now=now,
            )
        )
    return conditions
