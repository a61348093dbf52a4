"""Plans the Event that asks a user to act on an object. It is posted once, when the state begins."""

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
    """Return the Event for conditions that are about to replace the object's own, if their reason has one.

    The stored conditions tell one occurrence from another. So the Event is the same after a crash and from another
    replica.
    """
    ready = find_condition(conditions, ConditionType.READY)
    before = find_condition(resource.status.conditions, ConditionType.READY)
    if ready is None or (resource.kind, ready.reason) not in _WITH_EVENT or (before and before.reason == ready.reason):
        return ()
    since = f"{before.reason}/{format_time(before.last_transition_time)}" if before else ""
    occurrence = f"{resource.metadata.generation}/{since}"
    return (EmitEvent(reason=ready.reason, note=ready.message, occurrence=occurrence, type=EventType.WARNING),)
