"""What a plan may ask for; the controller's executor carries it out."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.membership import MembershipStatus
from tenure.domain.resources.organization import OrganizationStatus


@dataclass(frozen=True)
class DeleteSecret:
    """Delete the key's Secret, if it still has this uid."""

    uid: str


@dataclass(frozen=True)
class DeleteApiKey:
    """Delete the ApiKey, if it is still the object that was judged."""


@dataclass(frozen=True)
class IssueToken:
    """Put a new token into the key's Secret and its stamp into the status."""


@dataclass(frozen=True)
class UpdateStatus:
    """Write a status that differs from the one that was read."""

    status: ApiKeyStatus | MembershipStatus | OrganizationStatus


class EventType(StrEnum):
    """How a Kubernetes Event is shown."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Regarding(StrEnum):
    """The object that an Event is shown with."""

    SELF = "self"
    ORGANIZATION = "organization"


@dataclass(frozen=True)
class EmitEvent:
    """Record a Kubernetes Event; the same `occurrence` is recorded once, however often the plan is carried out."""

    reason: str
    note: str
    occurrence: str
    type: EventType = EventType.NORMAL
    regarding: Regarding = Regarding.SELF


StatusAction = UpdateStatus | EmitEvent
"""What the plan for an object of any kind may ask for."""

KeyAction = DeleteSecret | DeleteApiKey | IssueToken
"""What only the plan for an ApiKey may ask for."""

Action = StatusAction | KeyAction

A_co = TypeVar("A_co", bound=Action, covariant=True)


@dataclass(frozen=True)
class Plan(Generic[A_co]):
    """Actions in their order, and when to look again.

    Attributes:
        actions: What to do; empty where all is as it should be.
        wake_at: When the object must be looked at again, or None.
        awaits_record: The Membership must first record the key as ended by a role change.
        needs_fresh_read: What was observed is behind; read afresh and plan again.
    """

    actions: tuple[A_co, ...] = field(default=())
    wake_at: datetime | None = None
    awaits_record: bool = False
    needs_fresh_read: bool = False

    @property
    def needs_proof(self) -> bool:
        """Whether it issues or ends something, which takes a Membership and Organization read afresh."""
        return self.needs_fresh_read or any(
            isinstance(action, DeleteSecret | DeleteApiKey | IssueToken) for action in self.actions
        )
