"""Finds why a key can't be issued. The rules have a fixed order, and the first one that applies is the reason."""

from bisect import bisect_left
from datetime import datetime

from tenure.domain.approval import belongs_to, is_approved, last_approval
from tenure.domain.conditions import ready_reason
from tenure.domain.durations import parse_duration
from tenure.domain.planning.invitations import invitation_obstacle
from tenure.domain.planning.observation import ApiKeyObservation, Obstacle, Siblings, age, has_token_of
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.domain.resources.organization import PolicyInForce
from tenure.domain.validity import Verdict, expiry, validity

_UNDELIVERED = {Reason.SECRET_CONFLICT, Reason.SECRET_EXPOSED, Reason.SECRET_REJECTED}


def find_obstacle(observation: ApiKeyObservation, verdict: Verdict) -> Obstacle | None:
    """Return why the key can't be issued now, or None if it can."""
    if verdict is Verdict.NOT_FOUND:
        return Obstacle(
            Reason.DELETING, "Revoked. The ApiKey is being deleted, and another program's finalizer still keeps it."
        )
    if isinstance(standing := _standing(observation), Obstacle):
        return standing
    membership, organization = standing
    policy = observation.installation.policy(organization)
    return (
        _role_obstacle(observation.api_key, membership, verdict)
        or life_obstacle(observation.api_key, policy, observation.now)
        or quota_obstacle(observation, policy)
        or _suspension_obstacle(observation, organization)
        or invitation_obstacle(membership, organization)
    )


def _standing(observation: ApiKeyObservation) -> Obstacle | tuple[Membership, Organization]:
    """Return the Membership and the Organization that the key needs, or the obstacle if one is missing."""
    key, membership, organization = observation.api_key, observation.membership, observation.organization
    was_issued = key.status.issued is not None and not key.is_handed_over
    if membership is None or membership.metadata.deleting:
        if last_approval(key) is not None:
            what = "Revoked" if was_issued else "Not issued"
            advice = "Name another member in spec.membership." if key.is_handed_over else "Delete this ApiKey."
            return Obstacle(Reason.MEMBERSHIP_GONE, f"{what}: Membership {key.spec.membership} was deleted. {advice}")
        return Obstacle(
            Reason.MEMBERSHIP_NOT_FOUND,
            f"Not issued yet: waiting for Membership {key.spec.membership} in this namespace. If spec.membership is "
            "misspelled, correct it.",
        )
    if organization is None or organization.metadata.deleting:
        name = membership.spec.organization
        if was_issued:
            return Obstacle(Reason.ORGANIZATION_GONE, f"Revoked: Organization {name} was deleted. Delete this ApiKey.")
        return Obstacle(
            Reason.ORGANIZATION_NOT_FOUND,
            f"Not issued yet: waiting for Organization {name} in this namespace, which Membership {membership.name} "
            "names.",
        )
    if observation.displaced_by is not None:
        return Obstacle(
            Reason.DUPLICATE_SUBJECT,
            f"Not valid: {membership.spec.subject.name} is already a member, with the older Membership "
            f"{observation.displaced_by}. Create an ApiKey with spec.membership: {observation.displaced_by} instead.",
        )
    return membership, organization


def _role_obstacle(key: ApiKey, membership: Membership, verdict: Verdict) -> Obstacle | None:
    role, stamp = membership.spec.role, None if key.is_handed_over else key.status.issued
    again = f"set spec.forRole to {role} or raise spec.revision."
    if verdict is Verdict.ORGANIZATION_GONE and not _is_approved_anew(key, membership):
        how = again if belongs_to(key, membership) else "raise spec.revision."
        return Obstacle(
            Reason.ORGANIZATION_GONE,
            f"Revoked: Organization {membership.spec.organization} was deleted and created again. To have it reissued, "
            f"{how}",
        )
    if not belongs_to(key, membership):
        return Obstacle(Reason.MEMBERSHIP_GONE, _describe_former_holder(key, membership))
    if key.awaits_other_role(role):
        return Obstacle(
            Reason.ROLE_MISMATCH,
            f"Waiting: approved for the role {key.spec.for_role}, but {membership.name} has the role {role}. To have "
            f"the key issued now, set spec.forRole to {role}.",
        )
    if not is_approved(key, membership):
        what = f"the role of {membership.name} has changed since"
        if stamp is not None and stamp.role is role:
            what = f"the role of {membership.name} was changed and changed back to {role} since"
        if stamp is None:
            return Obstacle(Reason.ROLE_CHANGED, f"Not issued: {what} this ApiKey came. To have it issued, {again}")
        return Obstacle(
            Reason.ROLE_CHANGED,
            f"Revoked: {what} the key was issued (as {stamp.role}). To have it reissued, {again}",
        )
    return None


def _describe_former_holder(key: ApiKey, membership: Membership) -> str:
    """Return the message of a key that doesn't belong to the present Membership of its name."""
    name, subject = membership.name, membership.spec.subject.name
    advice = f"To have the key issued for {subject}, raise spec.revision. Otherwise delete this ApiKey."
    if key.is_handed_over:
        return (
            f"Not issued: Membership {name} was deleted and created again since the key was handed over. To have the "
            f"key issued for {subject}, raise spec.revision, which revokes the present token. Otherwise set "
            f"spec.membership to {key.holder} again."
        )
    if key.status.issued is not None:
        return f"Revoked: Membership {name} was deleted and created again. {advice}"
    return f"Not issued: this ApiKey is from before the present Membership {name} was created. {advice}"


def life_obstacle(key: ApiKey, policy: PolicyInForce, now: datetime) -> Obstacle | None:
    """Return why the rules on expiry don't allow the key, or None if they do."""
    stamp = key.status.issued
    same_revision = stamp is not None and stamp.revision == key.revision
    ends = expiry(key, stamp.at if stamp is not None and same_revision else None)
    if ends is not None and ends <= now:
        is_final = key.spec.expires_at is not None and key.spec.expires_at <= now
        advice = "Create another ApiKey." if is_final else "To have it reissued, raise spec.revision."
        return Obstacle(Reason.EXPIRED, f"Expired at {format_time(ends)}. {advice}")
    if policy.require_expiry and key.spec.ttl is None and key.spec.expires_at is None:
        return Obstacle(
            Reason.POLICY_VIOLATION,
            "Keys of this organization must expire (keys.requireExpiry). Set spec.expiresAt, or spec.ttl in a new "
            "ApiKey.",
        )
    if (broken := rotation_obstacle(key, policy)) is not None:
        return broken
    created = key.metadata.creation_timestamp
    ends = expiry(key, created)
    if policy.max_ttl is not None and ends is not None and ends - created > parse_duration(policy.max_ttl):
        return Obstacle(
            Reason.POLICY_VIOLATION,
            f"The key would be valid for longer than {policy.max_ttl}, the organization's keys.maxTTL. Set an earlier "
            "spec.expiresAt, or create an ApiKey with a shorter spec.ttl.",
        )
    return None


def rotation_obstacle(key: ApiKey, policy: PolicyInForce) -> Obstacle | None:
    """Return why the rule on rotation doesn't allow the key, or None if it does."""
    every = key.rotation.every
    if policy.rotate_within is None:
        return None
    if every is not None and parse_duration(every) <= parse_duration(policy.rotate_within):
        return None
    return Obstacle(
        Reason.POLICY_VIOLATION,
        f"Keys of this organization must be rotated at least every {policy.rotate_within} (keys.rotateWithin). Set "
        "spec.rotation.every to that or less.",
    )


def quota_obstacle(observation: ApiKeyObservation, policy: PolicyInForce) -> Obstacle | None:
    """Return why the limit of keys per member doesn't allow the key, or None if it does.

    The newest keys over the limit wait, and keys that have a token keep it.
    """
    limit, this = policy.max_per_member, observation.api_key
    member = this.spec.membership
    if limit is None or has_token_of(this, member):
        return None
    siblings = observation.siblings
    if len(siblings) < limit:
        return None  # There is room for all of them, so nothing has to be counted.
    if not isinstance(siblings, Siblings):
        siblings = Siblings(siblings)
    room = limit - len(siblings.with_token(member) - {this.name})
    waiting = siblings.waiting(member, lambda key: _wants_slot(key, observation, policy)) if room > 0 else ()
    if room > 0 and bisect_left(waiting, age(this)) < room:
        return None
    return Obstacle(
        Reason.QUOTA_EXCEEDED,
        f"{member} already has {limit} {'key' if limit == 1 else 'keys'}, the organization's "
        "keys.maxPerMember. Delete one of them.",
    )


def _wants_slot(key: ApiKey, observation: ApiKeyObservation, policy: PolicyInForce) -> bool:
    """Return whether a sibling without a token gets one as soon as there is room."""
    if observation.membership is None or observation.organization is None:
        return False
    if ready_reason(key.status.conditions) in _UNDELIVERED:
        return False
    verdict = validity(key, observation.membership, observation.organization, observation.now)
    obstacle = _role_obstacle(key, observation.membership, verdict) or life_obstacle(key, policy, observation.now)
    return obstacle is None


def _is_approved_anew(key: ApiKey, membership: Membership) -> bool:
    """Return whether a new token was approved after the former one was revoked: by `forRole` or `revision`."""
    stamp = key.status.issued
    return key.spec.for_role is membership.spec.role or (stamp is not None and key.revision > stamp.revision)


def _suspension_obstacle(observation: ApiKeyObservation, organization: Organization) -> Obstacle | None:
    member = observation.api_key.spec.membership
    if observation.api_key.spec.suspended or organization.suspends(member):
        return Obstacle(Reason.SUSPENDED, describe_suspension(observation, member))
    return None


def describe_suspension(observation: ApiKeyObservation, member: str) -> str:
    """Return the message that says what suspends the key of a member."""
    key, organization = observation.api_key, observation.tenure_named(member).organization
    if key.spec.suspended:
        return "Suspended by spec.suspended. Remove it to let the key work."
    if organization is not None and organization.spec.suspended:
        return f"Suspended by spec.suspended of Organization {organization.name}. Remove it to let the key work."
    return f"Suspended: {member} is in spec.suspendedMembers of the Organization. Remove it from there."
