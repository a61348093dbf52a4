"""The pages of one member and of one key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.conditions import find_condition
from tenure.domain.reasons import ConditionType
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.base import Condition
from tenure.domain.roles import CAPABILITIES, DESCRIPTIONS, Capability
from tenure.viewmodel.keys import KeyRow, key_row, keys_page
from tenure.viewmodel.letters import Letter, letter_of
from tenure.viewmodel.members import MemberRow, member_row
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.timeline import Events, History, key_history, member_history


@dataclass(frozen=True)
class CapabilityRow:
    """What a role may do with a part of the product.

    Attributes:
        level: `None`, `View` or `Full`.
    """

    capability: Capability
    description: str
    level: str


@dataclass(frozen=True)
class Suspension:
    """Why a member's keys don't work at present.

    Attributes:
        by_name: Whether the Organization lists the member.
        with_all: Whether all keys of the organization are suspended.
        reason: The reason that is given with the member's name, or None.
    """

    by_name: bool
    with_all: bool
    reason: str | None


@dataclass(frozen=True)
class MemberPage:
    """A member.

    Attributes:
        message: What the condition Ready says.
        keys: The member's keys, or None if the caller may not list them.
        suspension: Why the keys don't work at present, or None if they do, or if that isn't known.
        letter: The invitation, or None if the member gets none.
    """

    namespace: str
    organization: str
    now: datetime
    member: MemberRow
    message: str
    capabilities: tuple[CapabilityRow, ...]
    keys: tuple[KeyRow, ...] | None
    suspension: Suspension | None
    letter: Letter | None
    history: History


@dataclass(frozen=True)
class KeyPage:
    """A key.

    Attributes:
        message: What the condition Ready says.
        suspended: Whether the key itself is suspended.
        member_suspended: Whether its member or the organization is. None if the caller may not read the Organization.
        members: The members who can get the key, or None if the caller may not list them.
    """

    namespace: str
    now: datetime
    key: KeyRow
    message: str
    suspended: bool
    member_suspended: bool | None
    members: tuple[str, ...] | None
    history: History


def member_page(snapshot: Snapshot, name: str, events: Events) -> MemberPage:
    """Return a member with keys, capabilities and history.

    Raises:
        ViewError: there is no such member, or the caller may not list them.
    """
    member = snapshot.member(name)
    levels = CAPABILITIES[member.spec.role]
    return MemberPage(
        namespace=snapshot.namespace,
        organization=member.spec.organization,
        now=snapshot.now,
        member=member_row(snapshot, member),
        message=_message(member.status.conditions),
        capabilities=tuple(CapabilityRow(one, DESCRIPTIONS[one], levels[one].label) for one in Capability),
        keys=None if ApiKey.plural in snapshot.hidden else keys_page(snapshot, name).keys,
        suspension=_suspension(snapshot, name),
        letter=letter_of(snapshot, member),
        history=member_history(snapshot, member, events),
    )


def key_page(snapshot: Snapshot, name: str, events: Events) -> KeyPage:
    """Return a key.

    Raises:
        ViewError: there is no such key, or the caller may not list them.
    """
    key, organization = snapshot.key(name), snapshot.organization
    holder = key.spec.membership
    return KeyPage(
        namespace=snapshot.namespace,
        now=snapshot.now,
        key=key_row(snapshot, key),
        message=_message(key.status.conditions),
        suspended=bool(key.spec.suspended),
        member_suspended=None
        if Organization.plural in snapshot.hidden
        else organization is not None and organization.suspends(holder),
        members=None
        if "memberships" in snapshot.hidden
        else tuple(member.name for member in snapshot.members if member.name != holder),
        history=key_history(key, events),
    )


def _suspension(snapshot: Snapshot, name: str) -> Suspension | None:
    organization = snapshot.organization
    if organization is None or not organization.suspends(name):
        return None
    listed = [one for one in organization.spec.suspended_members or () if one.name == name]
    return Suspension(
        by_name=bool(listed), with_all=bool(organization.spec.suspended), reason=listed[0].reason if listed else None
    )


def _message(conditions: Sequence[Condition]) -> str:
    ready = find_condition(conditions, ConditionType.READY)
    return "the operator hasn't seen it yet" if ready is None else ready.message
