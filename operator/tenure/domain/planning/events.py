"""Events that say that somebody has to act on an object, once, when that begins."""

from collections.abc import Mapping, Sequence

from tenure.domain.conditions import find_condition
from tenure.domain.planning.actions import EmitEvent, EventType
from tenure.domain.reasons import ConditionType, Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import Condition, format_time

NOTICED: Mapping[str, frozenset[Reason]] = {
    ApiKey.kind: frozenset(
        {
            Reason.EXPIRED,
            Reason.POLICY_VIOLATION,
            Reason.QUOTA_EXCEEDED,
            Reason.SECRET_CONFLICT,
            Reason.SECRET_EXPOSED,
            Reason.SECRET_REJECTED,
        }
    ),
    Membership.kind: frozenset({Reason.DUPLICATE_SUBJECT}),
    Organization.kind: frozenset({Reason.NAMESPACE_TAKEN, Reason.NO_OWNER}),
}
"""The reasons that have an Event of their own, by kind.

Not those that follow from another object's change: it is told there, and would make as many Events as there are keys.
"""


def notices(resource: ApiKey | Membership | Organization, conditions: Sequence[Condition]) -> tuple[EmitEvent, ...]:
    """The Event, if there is one, for conditions that are about to take the place of the object's own.

    What is stored before is what tells one occurrence from another: the same after a crash, and for another replica.
    """
    ready = find_condition(conditions, ConditionType.READY)
    before = find_condition(resource.status.conditions, ConditionType.READY)
    if ready is None or ready.reason not in NOTICED[resource.kind] or (before and before.reason == ready.reason):
        return ()
    since = f"{before.reason}/{format_time(before.last_transition_time)}" if before else ""
    occurrence = f"{resource.metadata.generation}/{since}"
    return (EmitEvent(reason=ready.reason, note=ready.message, occurrence=occurrence, type=EventType.WARNING),)
