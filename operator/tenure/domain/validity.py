"""Decides whether a key works. The controller, the webhook and the verifier all call the same pure function.

When Tenure issues a token, it stamps it with the uid and the generation of its Membership. `spec.role` is the only
field of a Membership that can change, so the generation counts role changes, and a person's token is current if and
only if its stamp equals the Membership's (uid, generation). This comparison revokes the key. Deleting the Secret is
only cleanup.
"""

from datetime import datetime
from enum import StrEnum

from tenure.domain.durations import parse_duration
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.stamp import Stamp
from tenure.domain.rotation import former_end, overlap_of
from tenure.domain.tokens import is_narrowed
from tenure.domain.views import is_former


class Verdict(StrEnum):
    """Whether a key works now, and if not the reason."""

    VALID = "Valid"
    SUSPENDED = "Suspended"
    PENDING = "Pending"
    """Not issued yet, or to be reissued. Its former token, if there was one, is no longer valid."""
    ROLE_CHANGED = "RoleChanged"
    ROLE_MISMATCH = "RoleMismatch"
    """It has no current token, and gets one only once its member has the role that `forRole` names."""
    EXPIRED = "Expired"
    MEMBERSHIP_GONE = "MembershipGone"
    ORGANIZATION_GONE = "OrganizationGone"
    NOT_FOUND = "NotFound"
    """The ApiKey is being deleted."""
    BEHIND = "Behind"
    """The given Membership is older than the token's stamp. Read it from the API server and ask again."""


WORKING = frozenset({Verdict.VALID, Verdict.SUSPENDED})
"""The verdicts on a token that works, or works again once a suspension is lifted."""


def validity(
    api_key: ApiKey, membership: Membership | None, organization: Organization | None, now: datetime
) -> Verdict:
    """Decide whether a key works, from its Membership and the Organization in force in its namespace.

    Pass None for one that doesn't exist. The Membership is the one of the token's stamp (`ApiKey.holder`). The spec may
    name another one, and that doesn't end the token. To judge the former or the announced token of a key, pass its view
    (`domain/views.py`).
    """
    stamp = api_key.status.issued
    if api_key.metadata.deleting:
        return Verdict.NOT_FOUND
    if stamp is None:
        return Verdict.PENDING
    if organization is None or not _exists(organization, stamp.organization_uid):
        return Verdict.ORGANIZATION_GONE
    if membership is None or not _exists(membership, stamp.membership_uid):
        return Verdict.MEMBERSHIP_GONE
    verdict = _tenure(api_key, stamp, membership) or _life(api_key, stamp, organization, now)
    # A token that is current isn't revoked by a forRole that names another role. The role change itself will do that.
    waits = verdict in (Verdict.ROLE_CHANGED, Verdict.PENDING) and not api_key.is_handed_over
    return Verdict.ROLE_MISMATCH if waits and api_key.awaits_other_role(membership.spec.role) else verdict


def expiry(api_key: ApiKey, issued_at: datetime | None) -> datetime | None:
    """Return when a token that was issued at `issued_at` expires, in whole seconds.

    It is the earlier of expiresAt and ttl, or None if the token never expires.
    """
    ends = [] if api_key.spec.expires_at is None else [api_key.spec.expires_at]
    if api_key.spec.ttl is not None and issued_at is not None:
        ends.append(issued_at + parse_duration(api_key.spec.ttl))
    return min(end.replace(microsecond=0) for end in ends) if ends else None


def token_end(api_key: ApiKey, organization: Organization) -> datetime | None:
    """Return when a key's token ends by itself, or None if it never does.

    A former token, seen in its view, ends with its overlap at the latest. This rests on the specs, so a shorter overlap
    takes effect with the operator stopped.
    """
    ends, former = expiry(api_key, api_key.status.issued.at if api_key.status.issued else None), api_key.status.previous
    if former is None or not is_former(api_key):
        return ends
    overlap = former_end(former, overlap_of(api_key, organization))
    return overlap if ends is None else min(ends, overlap)


def follows_generation(api_key: ApiKey, membership: Membership) -> bool:
    """Return whether a role change revokes the token.

    It does if the member is a person, or if the key has `forRole` or had it since the token was issued. If you remove
    `forRole` afterwards, a token that a role change revoked must stay revoked. If you hand the key over, too, although
    `forRole` then names a role of the other member.
    """
    stamp = api_key.status.issued
    approved = api_key.spec.for_role or (stamp and stamp.for_role)
    return membership.is_person or approved is not None


def renewed_stamp(api_key: ApiKey, membership: Membership) -> Stamp | None:
    """Return the stamp of a token that works, with what it has to remember of the key and its member since its issue.

    A service account's token survives role changes. The stamp counts those that it survived, and remembers a `forRole`
    that was set since, so that the next role change revokes the token, even if `forRole` is removed first.
    """
    stamp = api_key.status.issued
    if stamp is None:
        return None
    remembered: dict[str, object] = {"membership": api_key.holder}
    if follows_generation(api_key, membership):
        if not membership.is_person:
            remembered["for_role"] = api_key.spec.for_role or stamp.for_role
    else:
        remembered["membership_generation"] = max(stamp.membership_generation, membership.metadata.generation)
    return stamp.model_copy(update=remembered)


def was_revoked_by_role(api_key: ApiKey, membership: Membership) -> bool:
    """Return whether the token worked under an earlier role of the same Membership, and its Secret may still exist."""
    stamp = api_key.status.issued
    return (
        stamp is not None
        and api_key.status.secret_uid is not None
        and stamp.membership_uid == membership.metadata.uid
        and follows_generation(api_key, membership)
        and stamp.membership_generation < membership.metadata.generation
    )


def _exists(resource: Resource, uid: str) -> bool:
    """Return whether an object has this uid and isn't being deleted."""
    return not resource.metadata.deleting and resource.metadata.uid == uid


def _tenure(api_key: ApiKey, stamp: Stamp, membership: Membership) -> Verdict | None:
    """Return the verdict if the token isn't current under the member's role, or None if it is."""
    current = membership.metadata.generation
    if stamp.membership_generation > current:
        return Verdict.BEHIND
    if follows_generation(api_key, membership) and stamp.membership_generation != current:
        return Verdict.ROLE_CHANGED
    return None


def _keeps_limits(api_key: ApiKey, stamp: Stamp) -> bool:
    """Return whether the token is limited to the capabilities of its key, by its stamp and by the form of its hash.

    It isn't if a version of Tenure issued it that doesn't know this limit.
    """
    narrowed = stamp.capabilities is not None
    return stamp.capabilities == api_key.spec.capabilities and is_narrowed(api_key.status.hash) is narrowed


def _life(api_key: ApiKey, stamp: Stamp, organization: Organization, now: datetime) -> Verdict:
    """Return the verdict on a token that is current: by its revision, expiry, Secret and suspension."""
    ends = token_end(api_key, organization)
    if api_key.revision != stamp.revision:
        return Verdict.PENDING
    if ends is not None and ends <= now:
        return Verdict.EXPIRED
    if api_key.status.secret_uid is None:
        return Verdict.PENDING
    if not _keeps_limits(api_key, stamp):
        return Verdict.PENDING
    if api_key.spec.suspended or organization.suspends(api_key.holder):
        return Verdict.SUSPENDED
    return Verdict.VALID
