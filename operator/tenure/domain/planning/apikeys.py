"""The plan for an ApiKey: issue it, keep it, end it, or say why it waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.conditions import readiness, ready_reason
from tenure.domain.durations import parse_duration
from tenure.domain.planning.actions import (
    Action,
    DeleteApiKey,
    DeleteSecret,
    EmitEvent,
    EventType,
    IssueToken,
    Plan,
    UpdateStatus,
)
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.apikey import ApiKeyStatus, Stamp
from tenure.domain.resources.organization import OnRoleChange, PolicyInForce
from tenure.domain.secret import SecretFacts
from tenure.domain.validity import Verdict, expiry, fell_with_role, validity

_TAKES_NO_SLOT = {Reason.ROLE_MISMATCH, Reason.POLICY_VIOLATION, Reason.EXPIRED, Reason.SECRET_CONFLICT}


@dataclass(frozen=True)
class SecretReading:
    """The outcome of reading the key's Secret: its facts, or None where there is none."""

    facts: SecretFacts | None


@dataclass(frozen=True)
class ApiKeyObservation:
    """All that the plan for an ApiKey rests on."""

    api_key: ApiKey
    membership: Membership | None
    organization: Organization | None
    """The Organization in force in the namespace, if it is the one that the Membership names."""

    siblings: Sequence[ApiKey]
    """All keys of the member, this one among them."""

    now: datetime
    secret: SecretReading | None = None
    """The key's Secret, where it was read; None: not read this time."""


@dataclass(frozen=True)
class Obstacle:
    """Why a key can't be issued."""

    reason: Reason
    message: str


def plan_api_key(seen: ApiKeyObservation) -> Plan:
    """What to do about an ApiKey."""
    key, verdict = seen.api_key, validity(seen.api_key, seen.membership, seen.organization, seen.now)
    if verdict is Verdict.BEHIND:
        return Plan(needs_fresh_read=True)
    if verdict in (Verdict.VALID, Verdict.SUSPENDED):
        return _keep(seen, suspended=verdict is Verdict.SUSPENDED)
    obstacle = _obstacle(seen, verdict)
    if _awaits_record(seen):
        return Plan(_end_secret(key), awaits_record=True)
    if obstacle is None:
        return Plan((*_end_secret(key), IssueToken()))
    return _wait(seen, obstacle)


def issued_status(
    seen: ApiKeyObservation, stamp: Stamp, *, key_id: str, token_hash: str, secret_uid: str
) -> ApiKeyStatus:
    """The status of a key whose token was just put into its Secret."""
    key = seen.api_key
    delivered = key.status.model_copy(
        update={
            "key_id": key_id,
            "hash": token_hash,
            "secret_name": key.name,
            "secret_uid": secret_uid,
            "subject_kind": seen.membership.spec.subject.kind if seen.membership else None,
            "expires_at": expiry(key, stamp.at),
            "issued": stamp,
        }
    )
    return _with_readiness(delivered, seen, Reason.ISSUED, _works(key))


def obstructed_status(seen: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
    """The status of a key that couldn't be issued for a reason that only the attempt showed."""
    return _ended_status(seen, Obstacle(reason, message))


def new_stamp(seen: ApiKeyObservation, at: datetime) -> Stamp:
    """The tenure under which a token would be issued now."""
    if seen.membership is None or seen.organization is None:
        raise ValueError("a token is issued under a Membership and an Organization")
    return Stamp(
        organization_uid=seen.organization.metadata.uid,
        membership_uid=seen.membership.metadata.uid,
        membership_generation=seen.membership.metadata.generation,
        role=seen.membership.spec.role,
        revision=seen.api_key.revision,
        for_role=seen.api_key.spec.for_role,
        at=at,
    )


def keeps_object(api_key: ApiKey, policy: PolicyInForce) -> bool:
    """Whether the ApiKey object stays when its member's role changed."""
    if api_key.spec.for_role is not None or policy.on_role_change is OnRoleChange.REVOKE:
        return True
    return policy.on_role_change is OnRoleChange.AUTO and api_key.metadata.gitops_mark is not None


def _keep(seen: ApiKeyObservation, *, suspended: bool) -> Plan:
    """The plan for a key whose token is current."""
    key = seen.api_key
    wake_at = expiry(key, key.status.issued.at if key.status.issued else None)
    if seen.secret is not None and not suspended:
        drift = _mend(key, seen.secret.facts)
        if drift:
            return Plan(drift, wake_at)
    reason, message = (Reason.SUSPENDED, _suspension(seen)) if suspended else (Reason.ISSUED, _works(key))
    status = _with_readiness(key.status.model_copy(update={"expires_at": wake_at}), seen, reason, message)
    return Plan(_update(key, status), wake_at)


def _mend(key: ApiKey, facts: SecretFacts | None) -> tuple[Action, ...]:
    """Replace a Secret that was deleted or edited."""
    if facts is not None and facts.holds_issued_token(key):
        return ()
    ours = facts is not None and (facts.is_owned_by(key) or facts.uid == key.status.secret_uid)
    what = "deleted" if facts is None else "edited" if ours else "replaced by another one"
    event = EmitEvent(
        reason="SecretReplaced",
        note=f"Secret {key.name} was {what}, so it gets a new token. To end a key, delete the ApiKey or raise "
        "spec.revision: deleting or editing its Secret doesn't.",
        occurrence=f"{key.status.secret_uid}",
        type=EventType.WARNING,
    )
    removal = (DeleteSecret(facts.uid),) if facts is not None and ours and facts.uid == key.status.secret_uid else ()
    return (*removal, IssueToken(), event)


def _wait(seen: ApiKeyObservation, obstacle: Obstacle) -> Plan:
    """The plan for a key that has no current token and can't get one."""
    key, membership, organization = seen.api_key, seen.membership, seen.organization
    ending = _end_secret(key)
    if not ending and seen.secret is not None and seen.secret.facts is not None:
        ending = (DeleteSecret(seen.secret.facts.uid),) if seen.secret.facts.is_owned_by(key) else ()
    if (
        obstacle.reason is Reason.ROLE_CHANGED
        and key.status.secret_uid is not None
        and membership is not None
        and organization is not None
        and not keeps_object(key, organization.policy)
    ):
        return Plan((*ending, DeleteApiKey()))
    ends = expiry(key, None)
    wake_at = ends if ends is not None and ends > seen.now else None
    return Plan((*ending, *_update(key, _ended_status(seen, obstacle))), wake_at)


def _awaits_record(seen: ApiKeyObservation) -> bool:
    """Whether a role change ended the key and its Membership doesn't yet say so.

    Until it does, only the Secret goes: the ApiKey's status is what the record is made of.
    """
    key, membership = seen.api_key, seen.membership
    if membership is None or not fell_with_role(key, membership):
        return False
    change = membership.status.last_role_change
    if change is None or change.generation != membership.metadata.generation:
        return True
    listed = any(ended.key_id == key.status.key_id for ended in change.keys)
    return not listed and change.key_count == len(change.keys)


def _obstacle(seen: ApiKeyObservation, verdict: Verdict) -> Obstacle | None:
    """Why the key can't be issued now; None: it can."""
    if verdict is Verdict.NOT_FOUND:
        return Obstacle(Reason.DELETING, "being deleted; its token is dead already")
    if isinstance(standing := _standing(seen), Obstacle):
        return standing
    membership, organization = standing
    return (
        _role_obstacle(seen.api_key, membership, verdict)
        or _life_obstacle(seen.api_key, organization, seen.now)
        or _quota_obstacle(seen, organization)
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
    approved_anew = wanted is not None or (stamp is not None and key.revision > stamp.revision)
    if stamp is None or approved_anew:
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


def _life_obstacle(key: ApiKey, organization: Organization, now: datetime) -> Obstacle | None:
    policy, stamp = organization.policy, key.status.issued
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
    life = expiry(key, now)
    if policy.max_ttl is not None and life is not None and life - now > parse_duration(policy.max_ttl):
        return Obstacle(
            Reason.POLICY_VIOLATION,
            f"it would live longer than {policy.max_ttl}, the organization's keys.maxTTL; create an ApiKey with a "
            "shorter spec.ttl or bring spec.expiresAt forward",
        )
    return None


def _quota_obstacle(seen: ApiKeyObservation, organization: Organization) -> Obstacle | None:
    """The newest keys over the limit wait; those that have a token keep it."""
    limit = organization.policy.max_per_member
    if limit is None:
        return None
    this = seen.api_key
    before = sum(
        1
        for key in seen.siblings
        if key.name != this.name
        and not key.metadata.deleting
        and (key.status.secret_uid is not None or (_wants_slot(key) and _age(key) < _age(this)))
    )
    if before < limit:
        return None
    return Obstacle(
        Reason.QUOTA_EXCEEDED,
        f"{this.spec.membership} has {limit} keys, which is the organization's keys.maxPerMember; delete one of them",
    )


def _wants_slot(key: ApiKey) -> bool:
    return key.status.issued is None and ready_reason(key.status.conditions) not in _TAKES_NO_SLOT


def _age(key: ApiKey) -> tuple[datetime, str]:
    return key.metadata.creation_timestamp, key.name


def _suspension_obstacle(seen: ApiKeyObservation, organization: Organization) -> Obstacle | None:
    if seen.api_key.spec.suspended or organization.suspends(seen.api_key.spec.membership):
        return Obstacle(Reason.SUSPENDED, _suspension(seen))
    return None


def _suspension(seen: ApiKeyObservation) -> str:
    key, organization = seen.api_key, seen.organization
    if key.spec.suspended:
        return "the key is suspended (spec.suspended); nothing is deleted"
    if organization is not None and organization.spec.suspended:
        return f"Organization {organization.name} is suspended (its spec.suspended); nothing is deleted"
    return f"{key.spec.membership} is suspended (the Organization's spec.suspendedMembers); nothing is deleted"


def _works(key: ApiKey) -> str:
    return f"the token in Secret {key.name} works"


def _end_secret(key: ApiKey) -> tuple[Action, ...]:
    return () if key.status.secret_uid is None else (DeleteSecret(key.status.secret_uid),)


def _ended_status(seen: ApiKeyObservation, obstacle: Obstacle) -> ApiKeyStatus:
    """The status of a key without a token: what explains the dead one stays, what leads to its Secret goes."""
    kind = seen.membership.spec.subject.kind if seen.membership else seen.api_key.status.subject_kind
    ended = seen.api_key.status.model_copy(update={"secret_name": None, "secret_uid": None, "subject_kind": kind})
    return _with_readiness(ended, seen, obstacle.reason, obstacle.message)


def _with_readiness(status: ApiKeyStatus, seen: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
    generation = seen.api_key.metadata.generation
    conditions = readiness(
        status.conditions,
        ready=reason is Reason.ISSUED,
        reason=reason,
        message=message,
        generation=generation,
        now=seen.now,
    )
    return status.model_copy(update={"observed_generation": generation, "conditions": conditions})


def _update(key: ApiKey, status: ApiKeyStatus) -> tuple[Action, ...]:
    return () if status == key.status else (UpdateStatus(status),)
