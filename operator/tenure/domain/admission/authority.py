"""Determines the grants that a change needs. The webhook asks the API server whether the requester has them."""

from collections.abc import Iterable, Sequence

from tenure.domain.admission.request import Change
from tenure.domain.installation import Installation
from tenure.domain.permissions import Permission, Requester, grant
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.resources.membership import fold
from tenure.domain.roles import CAPABILITIES, Role
from tenure.domain.views import memberships_of


def membership_grants(change: Change[Membership]) -> list[Permission]:
    """Return the grants that a change of a Membership needs: those of the old role and of the new one."""
    roles = dict.fromkeys(member.spec.role for member in (change.old, change.new) if member is not None)
    organization = change.subject.spec.organization
    return [grant(role, change.namespace, organization) for role in roles]


def api_key_grants(
    namespace: str, membership: Membership | None, organization: str, *, approved: Iterable[Role] = ()
) -> list[Permission]:
    """Return the grants that a change of another member's key needs: those of the member's role and of `approved`.

    If there is no such member, all grants are needed.
    """
    roles = list(Role) if membership is None else dict.fromkeys([membership.spec.role, *approved])
    return [grant(role, namespace, organization) for role in roles]


def approved_roles(change: Change[ApiKey]) -> list[Role]:
    """Return the roles that a key is approved for by `forRole`, before and after a creation or a change."""
    keys = (change.old, change.new) if change.new is not None else ()
    return list(dict.fromkeys(key.spec.for_role for key in keys if key is not None and key.spec.for_role is not None))


def hands_over(change: Change[ApiKey]) -> bool:
    """Return whether a change gives a key to another member."""
    old, new = change.old, change.new
    return old is not None and new is not None and old.spec.membership != new.spec.membership


def other_holders(change: Change[ApiKey]) -> set[str]:
    """Return the names of the members who have tokens of a key from earlier hand-overs, if the key stays."""
    old, new = change.old, change.new
    return set() if old is None or new is None else memberships_of(old) - {old.spec.membership, new.spec.membership}


def lifts_suspension(change: Change[ApiKey]) -> bool:
    """Return whether a change takes back `spec.suspended` of a key."""
    old, new = change.old, change.new
    return old is not None and new is not None and bool(old.spec.suspended) and not new.spec.suspended


def is_own(requester: Requester, membership: Membership | None, installation: Installation) -> bool:
    """Return whether a Membership is the requester's own, by the very name. Only that name gives rights."""
    if membership is None or not membership.is_person:
        return False
    return requester.username == installation.username(membership.spec.subject.name)


def may_be_own(requester: Requester, membership: Membership | None, installation: Installation) -> bool:
    """Return whether a Membership may be the requester's own, in whatever case the identity provider spells the name.

    Only rules that refuse may ask this.
    """
    if membership is None or not membership.is_person:
        return False
    return fold(requester.username) == fold(installation.username(membership.spec.subject.name))


def raises_itself(change: Change[Membership], installation: Installation) -> bool:
    """Return whether a requester gives themselves more rights than they have."""
    if change.new is None or not may_be_own(change.requester, change.new, installation):
        return False
    return change.old is None or _exceeds(change.new.spec.role, change.old.spec.role)


def explain_missing(requester: Requester, missing: Sequence[Permission], field: str) -> str:
    """Return the refusal that says which permissions the requester lacks, and what to do."""
    return (
        f"{field}: {_lack(requester, missing)}. Ask an Owner to make this change, or a cluster administrator to give "
        f"you the permission. To check, run: {missing[0].question}"
    )


def explain_handover(requester: Requester, missing: Sequence[Permission], key: ApiKey, former: str) -> str:
    """Return the refusal of a hand-over whose requester lacks the grant of the role of either member."""
    return (
        f"spec.membership: {_lack(requester, missing)}. To hand {key.name} over from {former} to "
        f"{key.spec.membership}, you need the grant of the role of each of the two, unless it is you. Ask an Owner to "
        f"make this change, or a cluster administrator to give you the permission. To check, run: {missing[0].question}"
    )


def explain_unknown_holder(requester: Requester, missing: Sequence[Permission], key: ApiKey) -> str:
    """Return the refusal of a key whose Membership doesn't exist, so that the grants of all roles are needed."""
    name = key.spec.membership
    return (
        f"spec.membership: there is no Membership {name} in namespace {key.namespace}. A key of an unknown member "
        f"needs the grants of all roles, and {_lack(requester, missing)}. Create Membership {name} first, or correct "
        "the name."
    )


def explain_unknown_former(requester: Requester, missing: Sequence[Permission], key: ApiKey, former: str) -> str:
    """Return the refusal to hand over a key of a member who doesn't exist, which takes the grants of all roles."""
    return (
        f"spec.membership: {key.name} is a key of Membership {former}, which isn't in namespace {key.namespace}. To "
        f"hand over a key of an unknown member, you need the grants of all roles, and {_lack(requester, missing)}. "
        f"Create another ApiKey with spec.membership: {key.spec.membership} instead."
    )


def _lack(requester: Requester, missing: Sequence[Permission]) -> str:
    """Return a clause that says who lacks what."""
    places = dict.fromkeys(permission.place for permission in missing)
    verbs = (
        f"{', '.join(permission.verb for permission in missing if permission.place == place)} on {place}"
        for place in places
    )
    return f"{requester.username} lacks {' and '.join(verbs)}"


def explain_spelling(requester: Requester, membership: Membership | None, installation: Installation) -> str:
    """Return what a requester has to know whose name differs from the member's in case only, or an empty string."""
    if membership is None or not may_be_own(requester, membership, installation):
        return ""
    name, username = membership.spec.subject.name, installation.username(membership.spec.subject.name)
    if username == requester.username:
        return ""
    right = requester.username[len(installation.username_prefix) :]
    return (
        f" Membership {membership.name} is for {name}, so it isn't yours: Kubernetes knows you as "
        f"{requester.username}, and names are compared exactly. If {name} is you, ask an Owner to delete that "
        f"Membership and to create it again with spec.subject.name: {right}."
    )


def _exceeds(one: Role, other: Role) -> bool:
    return any(CAPABILITIES[one][capability] > level for capability, level in CAPABILITIES[other].items())
