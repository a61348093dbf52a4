"""What stands between a key and its token: rules in their order, the first one that holds is the reason."""

from datetime import datetime
from itertools import islice

from tenure.domain.conditions import ready_reason
from tenure.domain.durations import parse_duration
from tenure.domain.planning.observation import ApiKeyObservation, Obstacle
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.organization import PolicyInForce
from tenure.domain.validity import Verdict, expiry, validity

_UNDELIVERED = {Reason.SECRET_CONFLICT, Reason.SECRET_EXPOSED, Reason.SECRET_REJECTED}


def find_obstacle(seen: ApiKeyObservation, verdict: Verdict) -> Obstacle | None:
    """Why the key can't be issued now; None: it can."""
    if verdict is Verdict.NOT_FOUND:
        return Obstacle(Reason.DELETING, "being deleted; its token is dead already")
    if isinstance(standing := _standing(seen), Obstacle):
        return standing
    membership, organization = standing
    policy = seen.installation.policy(organization)
    return (
        _role_obstacle(seen.api_key, membership, verdict)
        or life_obstacle(seen.api_key, policy, seen.now)
        or quota_obstacle(seen, policy)
        or _suspension_obstacle(seen, organization)
    )


def _standing(seen: ApiKeyObservation) -> Obstacle | tuple[Membership, Organization]:
    """The Membership and the Organization that the key needs, or the one that is missing."""
    key, membership, organization = seen.api_key, seen.membership, seen.organization
    was_issued = key.status.issued is not None
    if membership is None or membership.metadata.deleting:
        if was_issued:
            return Obstacle(
                Reason.MEMBERSHIP_GONE,
                f"Membership {key.spec.membership} is gone, so the key ended; delete this ApiKey",
            )
        return Obstacle(Reason.MEMBERSHIP_NOT_FOUND, f"waits for Membership {key.spec.membership} in this namespace")
    if organization is None or organization.metadata.deleting:
        name = membership.spec.organization
        if was_issued:
            return Obstacle(
                Reason.ORGANIZATION_GONE, f"Organization {name} is gone, so the key ended; delete this ApiKey"
            )
        return Obstacle(
            Reason.ORGANIZATION_NOT_FOUND, f"waits for Organization {name} to be in force in this namespace"
        )
    if seen.displaced_by is not None:
        return Obstacle(
            Reason.DUPLICATE_SUBJECT,
            f"{membership.spec.subject.name} is a member already, by the older Membership {seen.displaced_by}; move "
            "the key there",
        )
    return membership, organization


def _role_obstacle(key: ApiKey, membership: Membership, verdict: Verdict) -> Obstacle | None:
    role, wanted = membership.spec.role, key.spec.for_role
    if wanted not in (None, role):
        return Obstacle(
            Reason.ROLE_MISMATCH,
            f"approved for the role {wanted} and {membership.name} is {role}; set spec.forRole to {role} to have it "
            "issued",
        )
    stamp = key.status.issued
    if stamp is None or _is_approved_anew(key, membership):
        return None
    again = f"To have it issued again, set spec.forRole to {role} or raise spec.revision."
    if verdict is Verdict.ROLE_CHANGED:
        return Obstacle(
            Reason.ROLE_CHANGED,
            f"issued under the role {stamp.role}, which {membership.name} no longer holds since it changed. {again}",
        )
    if verdict is Verdict.MEMBERSHIP_GONE:
        return Obstacle(
            Reason.MEMBERSHIP_GONE,
            f"Membership {membership.name} was deleted and created again, so the key ended. {again}",
        )
    if verdict is Verdict.ORGANIZATION_GONE:
        return Obstacle(
            Reason.ORGANIZATION_GONE,
            f"Organization {membership.spec.organization} was deleted and created again, so the key ended. {again}",
        )
    return None


def life_obstacle(key: ApiKey, policy: PolicyInForce, now: datetime) -> Obstacle | None:
    """What the rules on expiry say against a key."""
    stamp = key.status.issued
    same_revision = stamp is not None and stamp.revision == key.revision
    ends = expiry(key, stamp.at if stamp is not None and same_revision else None)
    if ends is not None and ends <= now:
        return Obstacle(
            Reason.EXPIRED, "its time is over; create another ApiKey, or raise spec.revision if it has a ttl"
        )
    if policy.require_expiry and key.spec.ttl is None and key.spec.expires_at is None:
        return Obstacle(
            Reason.POLICY_VIOLATION,
            "the organization's keys.requireExpiry demands spec.ttl or spec.expiresAt",
        )
    created = key.metadata.creation_timestamp
    ends = expiry(key, created)
    if policy.max_ttl is not None and ends is not None and ends - created > parse_duration(policy.max_ttl):
        return Obstacle(
            Reason.POLICY_VIOLATION,
            f"it would live longer than {policy.max_ttl}, the organization's keys.maxTTL; create an ApiKey with a "
            "shorter spec.ttl or bring spec.expiresAt forward",
        )
    return None


def quota_obstacle(seen: ApiKeyObservation, policy: PolicyInForce) -> Obstacle | None:
    """The newest keys over the limit wait; those that have a token keep it."""
    limit, this = policy.max_per_member, seen.api_key
    if limit is None or this.status.secret_uid is not None:
        return None
    others = [key for key in seen.siblings if key.name != this.name and not key.metadata.deleting]
    before = sum(key.status.secret_uid is not None for key in others)
    if before < limit:
        older = (key for key in others if key.status.secret_uid is None and _age(key) < _age(this))
        before += sum(1 for _ in islice((key for key in older if _wants_slot(key, seen, policy)), limit - before))
    if before < limit:
        return None
    return Obstacle(
        Reason.QUOTA_EXCEEDED,
        f"{this.spec.membership} has {limit} keys, which is the organization's keys.maxPerMember; delete one of them",
    )


def _wants_slot(key: ApiKey, seen: ApiKeyObservation, policy: PolicyInForce) -> bool:
    """Whether a sibling without a token gets one as soon as there is room."""
    if seen.membership is None or seen.organization is None:
        return False
    if ready_reason(key.status.conditions) in _UNDELIVERED:
        return False
    verdict = validity(key, seen.membership, seen.organization, seen.now)
    obstacle = _role_obstacle(key, seen.membership, verdict) or life_obstacle(key, policy, seen.now)
    return obstacle is None


def _is_approved_anew(key: ApiKey, membership: Membership) -> bool:
    """Whether somebody asked for a new token after the former one ended."""
    stamp = key.status.issued
    return key.spec.for_role is membership.spec.role or (stamp is not None and key.revision > stamp.revision)


def _age(key: ApiKey) -> tuple[datetime, str]:
    return key.metadata.creation_timestamp, key.name


def _suspension_obstacle(seen: ApiKeyObservation, organization: Organization) -> Obstacle | None:
    if seen.api_key.spec.suspended or organization.suspends(seen.api_key.spec.membership):
        return Obstacle(Reason.SUSPENDED, describe_suspension(seen))
    return None


def describe_suspension(seen: ApiKeyObservation) -> str:
    """What suspends the key."""
    key, organization = seen.api_key, seen.organization
    if key.spec.suspended:
        return "the key is suspended (spec.suspended); nothing is deleted"
    if organization is not None and organization.spec.suspended:
        return f"Organization {organization.name} is suspended (its spec.suspended); nothing is deleted"
    return f"{key.spec.membership} is suspended (the Organization's spec.suspendedMembers); nothing is deleted"
