"""The page of an organization's members."""

from dataclasses import dataclass
from datetime import datetime

from tenure.domain.conditions import find_condition, is_ready, ready_reason
from tenure.domain.reasons import ConditionType
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import ConditionStatus
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.roles import Role
from tenure.viewmodel.snapshot import Snapshot


@dataclass(frozen=True)
class MemberRow:
    """A member.

    Attributes:
        keys: Number of working keys, or None if it isn't counted yet.
        role_changed_at: When Tenure observed the latest role change, or None if there was none.
        suspended: Whether the member's keys don't work at present. None if the caller may not read the Organization.
        state: Reason of the condition Ready, or None before the first reconciliation. It is InvitationPending while the
            member has to accept.
    """

    name: str
    subject: str
    kind: SubjectKind
    role: Role
    keys: int | None
    role_changed_at: datetime | None
    former_role: Role | None
    suspended: bool | None
    state: str | None
    managed_by: str
    by_hand: bool


@dataclass(frozen=True)
class MembersPage:
    """The members of a namespace.

    Attributes:
        suspended: Whether all keys of the organization are suspended. None if the caller may not read it.
    """

    namespace: str
    organization: str | None
    now: datetime
    suspended: bool | None
    members: tuple[MemberRow, ...]


def members_page(snapshot: Snapshot) -> MembersPage:
    """Return the members of a namespace, sorted by name.

    Raises:
        ViewError: the caller may not list them.
    """
    snapshot.require(Membership)
    organization = snapshot.organization
    rows = tuple(member_row(snapshot, member) for member in snapshot.members)
    suspended = None if Organization.plural in snapshot.hidden else bool(organization and organization.spec.suspended)
    return MembersPage(snapshot.namespace, organization.name if organization else None, snapshot.now, suspended, rows)


def member_row(snapshot: Snapshot, member: Membership) -> MemberRow:
    """Return the facts about a member."""
    change, manager = member.status.last_role_change, snapshot.manager(member)
    hidden = Organization.plural in snapshot.hidden
    organization = snapshot.organization
    return MemberRow(
        name=member.name,
        subject=member.spec.subject.name,
        kind=member.spec.subject.kind,
        role=member.spec.role,
        keys=member.status.key_count,
        role_changed_at=change.at if change else None,
        former_role=change.from_role if change else None,
        suspended=None if hidden else organization is not None and organization.suspends(member.name),
        state=_state(member),
        managed_by=manager.name,
        by_hand=manager.by_hand,
    )


def _state(member: Membership) -> str | None:
    """Return what holds the member back, because one who hasn't accepted is Ready and gets no key."""
    conditions = member.status.conditions
    accepted = find_condition(conditions, ConditionType.ACCEPTED)
    if accepted is not None and accepted.status is ConditionStatus.FALSE and is_ready(conditions):
        return accepted.reason
    return ready_reason(conditions)
