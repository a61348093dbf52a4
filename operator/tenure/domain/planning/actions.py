"""The actions that a plan may ask for. The controller's executor carries them out."""

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
    """Delete the ApiKey, if it is still the object that the plan was made for."""


@dataclass(frozen=True)
class IssueToken:
    """Write a new token into the key's Secret and its stamp into the status."""


@dataclass(frozen=True)
class AnnounceToken:
    """Create the next token of a rotation, and write its hash into the status."""


@dataclass(frozen=True)
class DeliverToken:
    """Write the announced token into the key's Secret in place, and promote it in the status."""


@dataclass(frozen=True)
class UpdateStatus:
    """Write a status that differs from the one that was read."""

    status: ApiKeyStatus | MembershipStatus | OrganizationStatus


class EventType(StrEnum):
    """The type of a Kubernetes Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Regarding(StrEnum):
    """The object that an Event is posted on."""

    SELF = "self"
    ORGANIZATION = "organization"


@dataclass(frozen=True)
class EmitEvent:
    """Post a Kubernetes Event. The same `occurrence` is posted once, even if the plan is carried out several times."""

    reason: str
    note: str
    occurrence: str
    type: EventType = EventType.NORMAL
    regarding: Regarding = Regarding.SELF


StatusAction = UpdateStatus | EmitEvent
"""Actions that the plan for an object of any kind may ask for."""

KeyAction = DeleteSecret | DeleteApiKey | IssueToken | AnnounceToken | DeliverToken
"""Actions that only the plan for an ApiKey may ask for."""

Action = StatusAction | KeyAction

A_co = TypeVar("A_co", bound=Action, covariant=True)


@dataclass(frozen=True)
class Plan(Generic[A_co]):
    """Actions in their order, and when to reconcile the object again.

    Attributes:
        actions: What to do. Empty if nothing has to change.
        wake_at: When the object must be reconciled again, or None.
        awaits_record: Whether the Membership must first record that a role change revoked the key.
        needs_fresh_read: Whether the observation is out of date, so that it must be read again for a new plan.
    """

    actions: tuple[A_co, ...] = field(default=())
    wake_at: datetime | None = None
    awaits_record: bool = False
    needs_fresh_read: bool = False

    @property
    def needs_proof(self) -> bool:
        """Whether the plan must be made again from a fresh read of the Membership and the Organization.

        It must if it issues a token, deletes a Secret or an ApiKey, or comes from an observation that is out of date.
        """
        return self.needs_fresh_read or any(
            isinstance(action, DeleteSecret | DeleteApiKey | IssueToken | AnnounceToken | DeliverToken)
            for action in self.actions
        )
