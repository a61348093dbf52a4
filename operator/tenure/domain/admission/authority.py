"""Who may do what: the grants that a change needs, to be asked of the API server."""

from collections.abc import Sequence

from tenure.domain.admission.request import Change
from tenure.domain.installation import Installation
from tenure.domain.permissions import Permission, Requester, grant
from tenure.domain.resources import Membership
from tenure.domain.roles import CAPABILITIES, Role


def membership_grants(change: Change[Membership]) -> list[Permission]:
    """What a change of a Membership needs: the grants of the role before and of the role after."""
    roles = dict.fromkeys(member.spec.role for member in (change.old, change.new) if member is not None)
    organization = change.subject.spec.organization
    return [grant(role, change.namespace, organization) for role in roles]


def api_key_grants(namespace: str, membership: Membership | None, organization: str) -> list[Permission]:
    """What a change of somebody else's key needs: the grant of their role, or all of them for an unknown member."""
    roles = list(Role) if membership is None else [membership.spec.role]
    return [grant(role, namespace, organization) for role in roles]


def is_own(requester: Requester, membership: Membership | None, installation: Installation) -> bool:
    """Whether a Membership is the requester's."""
    if membership is None or not membership.is_person:
        return False
    return requester.username == installation.username(membership.spec.subject.name)


def raises_itself(change: Change[Membership], installation: Installation) -> bool:
    """Whether somebody gives themselves more than they have."""
    if change.new is None or not is_own(change.requester, change.new, installation):
        return False
    return change.old is None or _exceeds(change.new.spec.role, change.old.spec.role)


def explain_missing(requester: Requester, missing: Sequence[Permission], field: str) -> str:
    """Say which permissions the requester lacks, and what to do."""
    lacking = ", ".join(permission.verb for permission in missing)
    place = str(missing[0]).partition(" on ")[2]
    return (
        f"{field}: {requester.username} lacks {lacking} on {place}. Ask an Owner to make this change, or a cluster "
        f"administrator to give you the permission. To check, run: {missing[0].question}"
    )


def _exceeds(one: Role, other: Role) -> bool:
    return any(CAPABILITIES[one][capability] > level for capability, level in CAPABILITIES[other].items())
