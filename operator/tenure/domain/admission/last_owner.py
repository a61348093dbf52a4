"""Protects the last Owner: an organization that had an Owner must keep one."""

from collections.abc import Sequence

from tenure.domain.admission.request import Change
from tenure.domain.conditions import ready_reason
from tenure.domain.reasons import Reason
from tenure.domain.resources import Membership, Organization
from tenure.domain.roles import Role


def takes_owner(change: Change[Membership]) -> bool:
    """Return whether a change removes an existing Owner or takes the role away."""
    old, new = change.old, change.new
    if old is None or old.spec.role is not Role.OWNER or old.metadata.deleting:
        return False
    return change.removes or (new is not None and new.spec.role is not Role.OWNER)


def remaining_owners(
    members: Sequence[Membership], leaving: Membership, organization: Organization
) -> list[Membership]:
    """Return the Owners who are left without one of them.

    Owners don't count if they are being deleted, if the garbage collector may delete them, if they are suspended, or
    if an older Membership of the same subject makes them ineffective.
    """
    listed = {member.name for member in organization.spec.suspended_members or ()}
    return [
        member
        for member in members
        if member.spec.role is Role.OWNER
        and member.spec.organization == organization.name
        and member.metadata.uid != leaving.metadata.uid
        and not member.metadata.deleting
        and not member.metadata.owned
        and member.name not in listed
        and ready_reason(member.status.conditions) != Reason.DUPLICATE_SUBJECT
    ]


def explain_last_owner(leaving: Membership, organization: Organization) -> str:
    """Return the refusal that says why the last Owner can't leave, and what to do."""
    return (
        f"spec.role: {leaving.name} is the only Owner of Organization {organization.name}, and an organization must "
        "keep one. First make another member an Owner. (A member who is suspended, is being deleted or has an "
        "ownerReference doesn't count.)"
    )


def ownership_warning(change: Change[Membership]) -> str | None:
    """Return the warning about an ownerReference that the change adds, or None."""
    if not change.gains_owner:
        return None
    return (
        f"metadata.ownerReferences: the garbage collector deletes {change.subject.name} once that owner is gone, and "
        "Tenure doesn't check it then. An Owner with an ownerReference doesn't count as a remaining Owner."
    )
