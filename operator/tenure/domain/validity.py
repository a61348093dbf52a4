"""Whether a key works: one pure function, called by the reconciler, the status and everything that checks tokens.

A token is stamped when it is issued with its Membership's uid and generation. `spec.role` is the only field of a
Membership that changes, so the generation counts role changes, and a person's token is current if and only if its
stamp equals the Membership's (uid, generation). Deleting the Secret is cleaning up; this comparison is what ends a key.
"""

from datetime import datetime
from enum import StrEnum

from tenure.domain.durations import parse_duration
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.apikey import Stamp


class Verdict(StrEnum):
    """What a key is worth now."""

    VALID = "Valid"
    SUSPENDED = "Suspended"
    PENDING = "Pending"
    """Not issued yet, or to be issued anew; its former token, if there was one, is dead."""
    ROLE_CHANGED = "RoleChanged"
    ROLE_MISMATCH = "RoleMismatch"
    EXPIRED = "Expired"
    MEMBERSHIP_GONE = "MembershipGone"
    ORGANIZATION_GONE = "OrganizationGone"
    NOT_FOUND = "NotFound"
    """The ApiKey is being deleted."""
    BEHIND = "Behind"
    """The Membership at hand is older than the token's stamp: read it afresh and ask again."""


def validity(
    api_key: ApiKey, membership: Membership | None, organization: Organization | None, now: datetime
) -> Verdict:
    """Judge a key by its Membership and the Organization in force in its namespace, None where there is none."""
    stamp = api_key.status.issued
    if api_key.metadata.deleting:
        return Verdict.NOT_FOUND
    if stamp is None:
        return Verdict.PENDING
    if organization is None or not _stands(organization, stamp.organization_uid):
        return Verdict.ORGANIZATION_GONE
    if membership is None or not _stands(membership, stamp.membership_uid):
        return Verdict.MEMBERSHIP_GONE
    return _tenure(api_key, stamp, membership) or _life(api_key, stamp, organization, now)


def expiry(api_key: ApiKey, issued_at: datetime | None) -> datetime | None:
    """When a token issued at `issued_at` ends: the earlier of expiresAt and ttl, in whole seconds; None: never."""
    ends = [] if api_key.spec.expires_at is None else [api_key.spec.expires_at]
    if api_key.spec.ttl is not None and issued_at is not None:
        ends.append(issued_at + parse_duration(api_key.spec.ttl))
    return min(end.replace(microsecond=0) for end in ends) if ends else None


def follows_generation(api_key: ApiKey, membership: Membership) -> bool:
    """Whether a role change ends the token: a person's, or one whose key is, or was at its issue, approved for a role.

    Taking the approval away afterwards must not revive a token that fell with the role.
    """
    stamp = api_key.status.issued
    approved = api_key.spec.for_role or (stamp and stamp.for_role)
    return membership.is_person or approved is not None


def fell_with_role(api_key: ApiKey, membership: Membership) -> bool:
    """Whether the token was live under an earlier role of this very Membership, and its Secret may still stand."""
    stamp = api_key.status.issued
    return (
        stamp is not None
        and api_key.status.secret_uid is not None
        and stamp.membership_uid == membership.metadata.uid
        and follows_generation(api_key, membership)
        and stamp.membership_generation < membership.metadata.generation
    )


def _stands(resource: Resource, uid: str) -> bool:
    """Whether an object isn't being deleted, and is the very one of this uid."""
    return not resource.metadata.deleting and resource.metadata.uid == uid


def _tenure(api_key: ApiKey, stamp: Stamp, membership: Membership) -> Verdict | None:
    """What the member's role says against the token; None: nothing."""
    current = membership.metadata.generation
    if stamp.membership_generation > current:
        return Verdict.BEHIND
    if api_key.spec.for_role not in (None, membership.spec.role):
        return Verdict.ROLE_MISMATCH
    if follows_generation(api_key, membership) and stamp.membership_generation != current:
        return Verdict.ROLE_CHANGED
    return None


def _life(api_key: ApiKey, stamp: Stamp, organization: Organization, now: datetime) -> Verdict:
    """What remains to be said of a token whose tenure holds."""
    ends = expiry(api_key, stamp.at)
    if api_key.revision != stamp.revision:
        return Verdict.PENDING
    if ends is not None and ends <= now:
        return Verdict.EXPIRED
    if api_key.status.secret_uid is None:
        return Verdict.PENDING
    if api_key.spec.suspended or organization.suspends(api_key.spec.membership):
        return Verdict.SUSPENDED
    return Verdict.VALID
