"""Plans the Event that asks a user to act on an object. It is posted once, when the state begins."""

from collections.abc import Sequence

from tenure.domain.conditions import find_condition
from tenure.domain.planning.actions import EmitEvent, EventType
from tenure.domain.reasons import STATES, ConditionType
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import Condition, format_time

_WITH_EVENT = {(state.kind, state.type, state.reason) for state in STATES if state.event}
_TYPES = (ConditionType.READY, ConditionType.NOTIFIED)
"""The conditions whose Events are posted from here. The record of use posts those of Unused."""


def state_events(
    resource: ApiKey | Membership | Organization, conditions: Sequence[Condition]
) -> tuple[EmitEvent, ...]:
    """Return the Event for conditions that are about to replace the object's own, if their reason has one.

    The stored conditions tell one occurrence from another. So the Event is the same after a crash and from another
    replica.
    """
    events = (_event(resource, conditions, type_) for type_ in _TYPES)
    return tuple(event for event in events if event is not None)


def _event(
    resource: ApiKey | Membership | Organization, conditions: Sequence[Condition], type_: ConditionType
) -> EmitEvent | None:
    """Return the Event for a condition of this type, or None."""
    new = find_condition(conditions, type_)
    before = find_condition(resource.status.conditions, type_)
    if new is None or (resource.kind, type_, new.reason) not in _WITH_EVENT or (before and before.reason == new.reason):
        return None
    since = f"{before.reason}/{format_time(before.last_transition_time)}" if before else ""
    occurrence = f"{resource.metadata.generation}/{since}"
    return EmitEvent(reason=new.reason, note=new.message, occurrence=occurrence, type=EventType.WARNING)
