"""Determines the grants that a change needs. The webhook asks the API server whether the requester has them."""

from collections.abc import Sequence

from tenure.domain.admission.request import Change
from tenure.domain.installation import Installation
from tenure.domain.permissions import Permission, Requester, grant
from tenure.domain.resources import Membership
from tenure.domain.roles import CAPABILITIES, Role


def membership_grants(change: Change[Membership]) -> list[Permission]:
    """Return the grants that a change of a Membership needs: those of the old role and of the new one."""
    roles = dict.fromkeys(member.spec.role for member in (change.old, change.new) if member is not None)
    organization = change.subject.spec.organization
    return [grant(role, change.namespace, organization) for role in roles]


def api_key_grants(namespace: str, membership: Membership | None, organization: str) -> list[Permission]:
    """Return the grants that a change of another member's key needs: that of the member's role.

    If there is no such member, all grants are needed.
    """
    roles = list(Role) if membership is None else [membership.spec.role]
    return [grant(role, namespace, organization) for role in roles]


def is_own(requester: Requester, membership: Membership | None, installation: Installation) -> bool:
    """Return whether a Membership is the requester's own."""
    if membership is None or not membership.is_person:
        return False
    return requester.username == installation.username(membership.spec.subject.name)


def raises_itself(change: Change[Membership], installation: Installation) -> bool:
    """Return whether a requester gives themselves more rights than they have."""
    if change.new is None or not is_own(change.requester, change.new, installation):
        return False
    return change.old is None or _exceeds(change.new.spec.role, change.old.spec.role)


def explain_missing(requester: Requester, missing: Sequence[Permission], field: str) -> str:
    """Return the refusal that says which permissions the requester lacks, and what to do."""
    lacking = ", ".join(permission.verb for permission in missing)
    place = str(missing[0]).partition(" on ")[2]
    return (
        f"{field}: {requester.username} lacks {lacking} on {place}. Ask an Owner to make this change, or a cluster "
        f"administrator to give you the permission. To check, run: {missing[0].question}"
    )


def _exceeds(one: Role, other: Role) -> bool:
    return any(CAPABILITIES[one][capability] > level for capability, level in CAPABILITIES[other].items())
