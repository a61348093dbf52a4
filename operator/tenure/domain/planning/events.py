"""Events that say that somebody has to act on an object, once, when that begins."""

from collections.abc import Sequence

from tenure.domain.conditions import find_condition
from tenure.domain.planning.actions import EmitEvent, EventType
from tenure.domain.reasons import STATES, ConditionType
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import Condition, format_time

_WITH_EVENT = {(state.kind, state.reason) for state in STATES if state.event}


def state_events(
    resource: ApiKey | Membership | Organization, conditions: Sequence[Condition]
) -> tuple[EmitEvent, ...]:
    """The Event, if there is one, for conditions that are about to take the place of the object's own.

    What is stored before is what tells one occurrence from another: the same after a crash, and for another replica.
    """
    ready = find_condition(conditions, ConditionType.READY)
    before = find_condition(resource.status.conditions, ConditionType.READY)
    if ready is None or (resource.kind, ready.reason) not in _WITH_EVENT or (before and before.reason == ready.reason):
        return ()
    since = f"{before.reason}/{format_time(before.last_transition_time)}" if before else ""
    occurrence = f"{resource.metadata.generation}/{since}"
    return (EmitEvent(reason=ready.reason, note=ready.message, occurrence=occurrence, type=EventType.WARNING),)
