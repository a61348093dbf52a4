"""The pages that tell callers who they are: their organizations, roles and keys, and what they can do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tenure.domain.conditions import find_condition, is_ready
from tenure.domain.permissions import Permission, Requester
from tenure.domain.reasons import ConditionType
from tenure.domain.resources import Membership, Organization
from tenure.domain.roles import CAPABILITIES, DESCRIPTIONS, Capability, Level, Role
from tenure.viewmodel.keys import KeyRow, keys_page
from tenure.viewmodel.snapshot import Snapshot


@dataclass(frozen=True)
class Tenure:
    """A Membership of the caller.

    Attributes:
        in_force: Whether the Membership is in force. If not, `message` says why.
        suspended: Whether the caller's keys don't work at present. None if the caller may not read the Organization.
        keys: The caller's keys, or None if the caller may not list them.
    """

    namespace: str
    organization: str
    member: str
    role: Role
    in_force: bool
    message: str
    suspended: bool | None
    keys: tuple[KeyRow, ...] | None


@dataclass(frozen=True)
class WhoamiPage:
    """The caller, as the API server authenticates them.

    Attributes:
        searched: The namespaces that were searched, or None for all.
    """

    username: str
    groups: tuple[str, ...]
    searched: tuple[str, ...] | None
    memberships: tuple[Tenure, ...]


@dataclass(frozen=True)
class CanPage:
    """The answer to what a caller can do in an organization.

    Attributes:
        allowed: Whether the caller's role has the capability, and the Membership is in force.
        level: The level that the role has, or None without a role.
        kubernetes: The API server's answer to the same question by RBAC, or None if it wasn't asked.
    """

    namespace: str
    username: str
    capability: Capability
    asked: Level
    allowed: bool
    role: Role | None
    level: Level | None
    reason: str
    kubernetes: bool | None = None


def is_of(member: Membership, requester: Requester) -> bool:
    """Return whether a Membership is of the person who asks."""
    known = member.status.username or member.spec.subject.name
    return member.is_person and known == requester.username


def whoami_page(requester: Requester, snapshots: Iterable[Snapshot], searched: Sequence[str] | None) -> WhoamiPage:
    """Return the caller with their Memberships in these namespaces."""
    found = [
        _tenure(snapshot, member) for snapshot in snapshots for member in snapshot.members if is_of(member, requester)
    ]
    places = None if searched is None else tuple(searched)
    return WhoamiPage(requester.username, tuple(requester.groups), places, tuple(found))


def can_page(snapshot: Snapshot, requester: Requester, capability: Capability, level: Level) -> CanPage:
    """Return whether the caller's role has a level of a capability, and why or why not.

    Raises:
        ViewError: the caller may not list the members.
    """
    snapshot.require(Membership)
    member = next((one for one in snapshot.members if is_of(one, requester)), None)
    reached = CAPABILITIES[member.spec.role][capability] if member else None
    reason = _reason(snapshot, member, requester, capability, level)
    in_force = member is not None and is_ready(member.status.conditions)
    return CanPage(
        namespace=snapshot.namespace,
        username=requester.username,
        capability=capability,
        asked=level,
        allowed=reached is not None and in_force and reached >= level,
        role=member.spec.role if member else None,
        level=reached,
        reason=reason,
    )


def question(namespace: str, organization: str, capability: Capability, level: Level) -> Permission:
    """Return the permission that stands for a level of a capability in RBAC."""
    verb = "update" if level is Level.FULL else "get"
    return Permission(verb, Organization.plural, namespace, organization, subresource=capability.value)


def _reason(
    snapshot: Snapshot, member: Membership | None, requester: Requester, capability: Capability, level: Level
) -> str:
    if member is None:
        return f"{requester.username} has no Membership in namespace {snapshot.namespace}. Ask an Owner for one"
    if not is_ready(member.status.conditions):
        return f"Membership {member.name} isn't in force: {_message(member)}"
    levels = {role: CAPABILITIES[role][capability] for role in Role}
    fact = f"{member.spec.role} has {levels[member.spec.role].label} for {capability} ({DESCRIPTIONS[capability]})"
    if levels[member.spec.role] >= level:
        return fact
    enough = [role.value for role in Role if levels[role] >= level]
    return f"{fact}. {level.label} takes the role {' or '.join(enough)}. Ask an Owner for it"


def _tenure(snapshot: Snapshot, member: Membership) -> Tenure:
    hidden = "apikeys" in snapshot.hidden
    organization = snapshot.organization
    return Tenure(
        namespace=snapshot.namespace,
        organization=member.spec.organization,
        member=member.name,
        role=member.spec.role,
        in_force=is_ready(member.status.conditions),
        message="" if is_ready(member.status.conditions) else _message(member),
        suspended=None
        if Organization.plural in snapshot.hidden
        else organization is not None and organization.suspends(member.name),
        keys=None if hidden else tuple(row for row in keys_page(snapshot).keys if row.member == member.name),
    )


def _message(member: Membership) -> str:
    ready = find_condition(member.status.conditions, ConditionType.READY)
    return "the operator hasn't seen it yet" if ready is None else ready.message
