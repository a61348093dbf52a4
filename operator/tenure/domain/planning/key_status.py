"""Builds the status of an ApiKey: issued, kept, rotated, obstructed or revoked."""

from datetime import datetime

from tenure.domain.approval import kept_approval
from tenure.domain.conditions import find_condition, readiness
from tenure.domain.planning.actions import Action, UpdateStatus
from tenure.domain.planning.observation import ApiKeyObservation, Obstacle, Tenure
from tenure.domain.planning.obstacles import describe_suspension
from tenure.domain.planning.rotation import (
    announced_condition,
    kept_former,
    kept_successor,
    promote,
    rejected_condition,
    rotating_condition,
)
from tenure.domain.planning.secret_template import template_conditions
from tenure.domain.reasons import ConditionType, Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.base import Condition
from tenure.domain.resources.stamp import AnnouncedToken, Stamp
from tenure.domain.rotation import rotates_at
from tenure.domain.secret import template_digest
from tenure.domain.validity import Verdict, expiry, renewed_stamp


def issued_status(
    observation: ApiKeyObservation, stamp: Stamp, *, key_id: str, token_hash: str, secret_uid: str
) -> ApiKeyStatus:
    """Return the status of a key whose token was just written into its Secret."""
    key, membership = observation.api_key, observation.tenure_named(stamp.membership or "").membership
    is_handed_over = stamp.membership != key.spec.membership
    delivered = key.status.model_copy(
        update={
            "key_id": key_id,
            "hash": token_hash,
            "secret_name": key.name,
            "secret_uid": secret_uid,
            "subject_kind": membership.spec.subject.kind if membership else None,
            "expires_at": expiry(key, stamp.at),
            "issued": stamp,
            "approval": kept_approval(key, observation.membership) if is_handed_over else None,
            "rotates_at": rotates_at(key, stamp.at),
            "next": None,
            "previous": kept_former(observation),
        }
    )
    return _with_token(delivered, observation, Reason.ISSUED, describe_working(observation))


def promotion(observation: ApiKeyObservation) -> tuple[Action, ...]:
    """Return the actions that make the announced token the current one, once the Secret holds it.

    Raises:
        ValueError: the Secret wasn't read, or no token is announced.
    """
    facts = observation.secret.facts if observation.secret else None
    if facts is None:
        raise ValueError("only a token that the Secret holds can be promoted")
    after, event = promote(observation, facts.written_at(observation.now))
    return event, UpdateStatus(kept_status(after, *readiness_of_current(after)))


def obstructed_status(observation: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
    """Return the status of a key that couldn't be issued, for a reason that only the attempt showed."""
    return revoked_status(observation, Obstacle(reason, message))


def new_stamp(observation: ApiKeyObservation, at: datetime, tenure: Tenure | None = None) -> Stamp:
    """Return the stamp of a token that is issued at `at`, by default under the Membership that the spec names.

    Raises:
        ValueError: there is no Membership or no Organization.
    """
    membership, organization = tenure or observation.target
    if membership is None or organization is None:
        raise ValueError("a token is issued under a Membership and an Organization")
    stamp, request = observation.api_key.status.issued, observation.api_key.rotation.request
    served = [number for number in (request, stamp.request if stamp else None) if number is not None]
    return Stamp(
        organization_uid=organization.metadata.uid,
        membership_uid=membership.metadata.uid,
        membership_generation=membership.metadata.generation,
        role=membership.spec.role,
        revision=observation.api_key.revision,
        for_role=observation.api_key.spec.for_role,
        template_digest=template_digest(observation.api_key, organization),
        capabilities=observation.api_key.spec.capabilities,
        at=at,
        membership=membership.name,
        sequence=1 if stamp is None else (stamp.sequence or 1) + 1,
        request=max(served, default=None),
    )


def announced_status(observation: ApiKeyObservation, stamp: Stamp, *, key_id: str, token_hash: str) -> ApiKeyStatus:
    """Return the status of a key whose next token is announced.

    The stamp remembers a `forRole` as the present one does, so a rotation doesn't free a key from its approval. That of
    another member says nothing about it.
    """
    present = None if observation.api_key.is_handed_over else observation.api_key.status.issued
    stamp = stamp.model_copy(update={"for_role": stamp.for_role or (present and present.for_role)})
    kept = kept_status(observation, Reason.ISSUED, describe_working(observation))
    return kept.model_copy(
        update={
            "next": AnnouncedToken(key_id=key_id, hash=token_hash, issued=stamp),
            "conditions": [*_without_rotating(kept), announced_condition(observation, key_id)],
        }
    )


def rejected_status(observation: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
    """Return the status of a key whose announced token couldn't be written into the Secret."""
    kept = kept_status(observation, Reason.ISSUED, describe_working(observation))
    told = rejected_condition(observation, reason, message)
    return kept.model_copy(update={"conditions": [*_without_rotating(kept), told]})


def _without_rotating(status: ApiKeyStatus) -> list[Condition]:
    return [condition for condition in status.conditions if condition.type != ConditionType.ROTATING]


def kept_status(observation: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
    """Return the status of a key whose token is current."""
    key = observation.api_key
    stamp = _renewed_stamp(observation)
    kept = key.status.model_copy(
        update={
            "expires_at": end_of_current(key),
            "issued": stamp,
            "approval": kept_approval(key, observation.membership) if key.is_handed_over else None,
            "rotates_at": rotates_at(key, stamp.at if stamp else None),
            "next": kept_successor(observation),
            "previous": kept_former(observation),
        }
    )
    status = _with_token(kept, observation, reason, message)
    return status.model_copy(update={"conditions": [*status.conditions, *rotating_condition(observation)]})


def _renewed_stamp(observation: ApiKeyObservation) -> Stamp | None:
    key = observation.api_key
    membership = observation.tenure_of(key).membership
    return key.status.issued if membership is None else renewed_stamp(key, membership)


def end_of_current(key: ApiKey) -> datetime | None:
    """Return when the key's present token expires, or None if it never does."""
    return expiry(key, key.status.issued.at if key.status.issued else None)


def readiness_of_current(observation: ApiKeyObservation) -> tuple[Reason, str]:
    """Return the reason and the message of Ready for a key whose token is current: it works, or it is suspended."""
    if observation.verdict() is Verdict.SUSPENDED:
        return Reason.SUSPENDED, describe_suspension(observation, observation.api_key.holder)
    return Reason.ISSUED, describe_working(observation)


def describe_working(observation: ApiKeyObservation) -> str:
    """Return the message of a key that works."""
    key, membership = observation.api_key, observation.membership
    text = f"The token in Secret {key.name} works"
    if membership is None or key.is_handed_over or not key.awaits_other_role(membership.spec.role):
        return f"{text}."
    return f"{text} until the role of {membership.name} changes. The key is approved for the role {key.spec.for_role}."


def revoked_status(observation: ApiKeyObservation, obstacle: Obstacle) -> ApiKeyStatus:
    """Return the status of a key without a token. It still describes the revoked one, but doesn't name its Secret."""
    kind = (
        observation.membership.spec.subject.kind if observation.membership else observation.api_key.status.subject_kind
    )
    stamp = observation.api_key.status.issued
    ended = observation.api_key.status.model_copy(
        update={
            "issued": stamp and stamp.model_copy(update={"membership": observation.api_key.holder}),
            "secret_name": None,
            "secret_uid": None,
            "subject_kind": kind,
            "approval": kept_approval(observation.api_key, observation.membership),
            "rotates_at": None,
            "next": None,
            "previous": None,
        }
    )
    return with_readiness(ended, observation, obstacle.reason, obstacle.message)


def with_readiness(status: ApiKeyStatus, observation: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
    """Return the status with the condition Ready, and with Stalled if the reason lasts until a user acts."""
    generation = observation.api_key.metadata.generation
    conditions = readiness(
        status.conditions,
        kind=ApiKey.kind,
        ready=reason is Reason.ISSUED,
        reason=reason,
        message=message,
        generation=generation,
        now=observation.now,
    )
    return status.model_copy(update={"observed_generation": generation, "conditions": conditions})


def _with_token(status: ApiKeyStatus, observation: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
    """Return the status of a key whose Secret holds its current token."""
    template = template_conditions(status, observation)
    shown = with_readiness(status, observation, reason, message)
    # What the record of use found out stays until its next round. It has its place as in `plan_key_use`.
    unused = find_condition(status.conditions, ConditionType.UNUSED) if reason is Reason.ISSUED else None
    conditions = [*shown.conditions, *template, *([unused] if unused is not None else [])]
    return shown.model_copy(update={"conditions": conditions})
