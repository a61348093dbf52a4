"""The invitation of a member, and the answer to a request to send it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.conditions import find_condition
from tenure.domain.reasons import ConditionType
from tenure.domain.resources import Membership
from tenure.domain.resources.base import ConditionStatus
from tenure.domain.resources.invitation import InvitationMode
from tenure.domain.resources.membership import fold
from tenure.viewmodel.snapshot import Snapshot


@dataclass(frozen=True)
class Letter:
    """What became of a member's invitation.

    Attributes:
        address: The address that it goes to, or None if there is none.
        delivery: `Sent`, `Rejected`, `Waiting`, `Held` or `NoAddress`, or None if nothing was sent yet.
        message: The same in a sentence.
        pending: Whether the person still has to accept.
    """

    address: str | None
    delivery: str | None
    message: str | None
    sent_at: datetime | None
    expires_at: datetime | None
    accepted_at: datetime | None
    pending: bool


@dataclass(frozen=True)
class Resent:
    """The answer about a member's letter.

    Attributes:
        error: Why no letter is sent, or empty.
        impossible: Whether there is no letter to send, for example because the member has accepted.
    """

    member: str
    requested_at: str | None
    error: str = ""
    impossible: bool = False


@dataclass(frozen=True)
class ResentPage:
    """The answers about the letters of several members."""

    namespace: str
    letters: tuple[Resent, ...]


def letter_of(snapshot: Snapshot, member: Membership) -> Letter | None:
    """Return a member's invitation, or None if the organization invites nobody, or not this member."""
    organization = snapshot.organization
    if organization is None or organization.invitation_mode is InvitationMode.NONE or not member.is_person:
        return None
    rules, found, subject = organization.spec.invitations, member.status.invitation, member.spec.subject
    accepted = find_condition(member.status.conditions, ConditionType.ACCEPTED)
    listed = {one.name: one.address for one in (rules.addresses or () if rules else ())}
    return Letter(
        address=listed.get(member.name, subject.name if subject.is_address else None),
        delivery=found.delivery if found else None,
        message=found.message if found else None,
        sent_at=found.sent_at if found else None,
        expires_at=found.expires_at if found else None,
        accepted_at=found.accepted_at if found else None,
        pending=accepted is not None and accepted.status is ConditionStatus.FALSE,
    )


def find_members(snapshot: Snapshot, asked: Sequence[str]) -> list[str]:
    """Return the names of members that are given by name or by address.

    Raises:
        ViewError: there is no such member.
    """
    by_address = {fold(one.spec.subject.name): one.name for one in snapshot.members if one.is_person}
    names = [by_address.get(fold(one)) or snapshot.member(one).name for one in asked]
    return list(dict.fromkeys(names))


def told(one: Resent) -> str:
    """Return the answer in words."""
    return f"{one.member}: {one.error}" if one.error else f"{one.member}: another letter was asked for"
