"""The page of the organizations that a caller may see."""

from collections.abc import Sequence
from dataclasses import dataclass

from tenure.domain.conditions import ready_reason
from tenure.domain.permissions import Requester
from tenure.domain.resources import Membership, Organization
from tenure.domain.roles import Role
from tenure.viewmodel.identity import is_of
from tenure.viewmodel.snapshot import Snapshot


@dataclass(frozen=True)
class OrganizationRow:
    """An organization.

    Attributes:
        members: Number of members, or None if the caller may not list them.
        member: The name of the caller's Membership, or None if there is none or if it can't be listed.
        role: The caller's role, or None in the same cases.
        state: Reason of the condition Ready, or None before the first reconciliation.
    """

    namespace: str
    name: str
    display_name: str | None
    members: int | None
    member: str | None
    role: Role | None
    suspended: bool
    state: str | None
    managed_by: str
    by_hand: bool


@dataclass(frozen=True)
class OrganizationsPage:
    """Organizations, sorted by namespace.

    Attributes:
        username: The caller, as the API server authenticates them.
        searched: The namespaces that were searched, or None for all.
    """

    username: str
    searched: tuple[str, ...] | None
    organizations: tuple[OrganizationRow, ...]


def organizations_page(snapshot: Snapshot, requester: Requester, searched: Sequence[str] | None) -> OrganizationsPage:
    """Return the organizations in force of a snapshot, which may be of several namespaces.

    Raises:
        HiddenError: the caller may not list Organizations.
    """
    snapshot.require(Organization)
    namespaces = sorted({address.namespace for address in snapshot.tree.of(Organization)})
    found = (snapshot.tree.organization_in(namespace) for namespace in namespaces)
    rows = tuple(_row(snapshot, one, requester) for one in found if one is not None)
    return OrganizationsPage(requester.username, None if searched is None else tuple(searched), rows)


def _row(snapshot: Snapshot, organization: Organization, requester: Requester) -> OrganizationRow:
    members = snapshot.tree.members_in(organization.namespace)
    mine = next((member for member in members if is_of(member, requester)), None)
    manager = snapshot.manager(organization)
    return OrganizationRow(
        namespace=organization.namespace,
        name=organization.name,
        display_name=organization.spec.display_name,
        members=None if Membership.plural in snapshot.hidden else len(members),
        member=mine.name if mine else None,
        role=mine.spec.role if mine else None,
        suspended=bool(organization.spec.suspended),
        state=ready_reason(organization.status.conditions),
        managed_by=manager.name,
        by_hand=manager.by_hand,
    )
