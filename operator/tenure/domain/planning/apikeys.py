"""Plans what to do about an ApiKey: find its state, then issue, keep or revoke it, or say why it waits."""

from datetime import datetime, timedelta

from tenure.domain.approval import kept_approval
from tenure.domain.conditions import readiness, stalls_at
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
from tenure.domain.planning.events import state_events
from tenure.domain.planning.observation import ApiKeyObservation, Obstacle
from tenure.domain.planning.obstacles import describe_suspension, find_obstacle
from tenure.domain.planning.secret_template import template_conditions
from tenure.domain.planning.states import KeyState
from tenure.domain.policy import OnRoleChange
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.apikey import ApiKeyStatus, Stamp
from tenure.domain.resources.membership import Fate
from tenure.domain.secret import SecretFacts, template_digest
from tenure.domain.validity import Verdict, expiry, renewed_stamp, validity, was_revoked_by_role

_COMMIT_TIME = timedelta(seconds=3)
"""Time that it takes to apply the manifests of one commit."""

_IS_DELETED = "This ApiKey is deleted in a moment."


def plan_api_key(observation: ApiKeyObservation) -> Plan[Action]:
    """Plan what to do about an ApiKey. Its state decides, and `KEY_STEPS` lists each state's steps."""
    key = observation.api_key
    state, obstacle = _find(observation)
    match state:
        case KeyState.TO_READ:
            return Plan(needs_fresh_read=True)
        case KeyState.WORKS | KeyState.SUSPENDED:
            return _keep(observation, suspended=state is KeyState.SUSPENDED)
        case KeyState.TO_REPAIR:
            return Plan(_repair(observation), _end_of_current(key))
        case KeyState.TO_RECORD:
            return Plan(_delete_secret_of(key), awaits_record=True)
    if obstacle is None:
        return Plan((*_delete_secret_of(key), IssueToken()))
    return _delete(observation, obstacle) if state is KeyState.TO_DELETE else _wait(observation, obstacle)


def find_key_state(observation: ApiKeyObservation) -> KeyState:
    """Return the state of a key according to the evidence."""
    state, _ = _find(observation)
    return state


def _find(observation: ApiKeyObservation) -> tuple[KeyState, Obstacle | None]:
    """Return the state of a key and, if its token isn't current, the obstacle to another one."""
    verdict = validity(observation.api_key, observation.membership, observation.organization, observation.now)
    match verdict:
        case Verdict.BEHIND:
            return KeyState.TO_READ, None
        case Verdict.SUSPENDED:
            return KeyState.SUSPENDED, None
        case Verdict.VALID:
            return (KeyState.WORKS if _is_delivered(observation) else KeyState.TO_REPAIR), None
    if _awaits_record(observation):
        return KeyState.TO_RECORD, None
    obstacle = find_obstacle(observation, verdict)
    return _find_ended(observation, obstacle), obstacle


def _find_ended(observation: ApiKeyObservation, obstacle: Obstacle | None) -> KeyState:
    """Return the state of a key whose token isn't current, once a role change is recorded."""
    status = observation.api_key.status
    has_secret = status.secret_uid is not None
    if obstacle is None:
        return KeyState.TO_REISSUE if has_secret else KeyState.TO_ISSUE
    if has_secret:
        return KeyState.TO_DELETE if _deletes_object(observation, obstacle) else KeyState.TO_REVOKE
    if _leftover(observation) is not None:
        return KeyState.TO_CLEAN
    return KeyState.WAITS if status.issued is None else KeyState.REVOKED


def issued_status(
    observation: ApiKeyObservation, stamp: Stamp, *, key_id: str, token_hash: str, secret_uid: str
) -> ApiKeyStatus:
    """Return the status of a key whose token was just written into its Secret."""
    key = observation.api_key
    delivered = key.status.model_copy(
        update={
            "key_id": key_id,
            "hash": token_hash,
            "secret_name": key.name,
            "secret_uid": secret_uid,
            "subject_kind": observation.membership.spec.subject.kind if observation.membership else None,
            "expires_at": expiry(key, stamp.at),
            "issued": stamp,
            "approval": None,
        }
    )
    return _with_token(delivered, observation, Reason.ISSUED, _works(observation))


def obstructed_status(observation: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
    """Return the status of a key that couldn't be issued, for a reason that only the attempt showed."""
    return _revoked_status(observation, Obstacle(reason, message))


def new_stamp(observation: ApiKeyObservation, at: datetime) -> Stamp:
    """Return the stamp of a token that is issued at `at`.

    Raises:
        ValueError: there is no Membership or no Organization.
    """
    if observation.membership is None or observation.organization is None:
        raise ValueError("a token is issued under a Membership and an Organization")
    return Stamp(
        organization_uid=observation.organization.metadata.uid,
        membership_uid=observation.membership.metadata.uid,
        membership_generation=observation.membership.metadata.generation,
        role=observation.membership.spec.role,
        revision=observation.api_key.revision,
        for_role=observation.api_key.spec.for_role,
        template_digest=template_digest(observation.api_key, observation.organization),
        at=at,
    )


def fate(observation: ApiKeyObservation) -> Fate:
    """Return what becomes of an ApiKey whose token a role change revoked."""
    obstacle = find_obstacle(
        observation, validity(observation.api_key, observation.membership, observation.organization, observation.now)
    )
    if obstacle is None:
        return Fate.REISSUED
    return Fate.DELETED if _deletes_object(observation, obstacle) else Fate.REVOKED


def _keep(observation: ApiKeyObservation, *, suspended: bool) -> Plan[Action]:
    """Plan for a key whose token is current."""
    key = observation.api_key
    wake_at = _end_of_current(key)
    reason, message = (
        (Reason.SUSPENDED, describe_suspension(observation)) if suspended else (Reason.ISSUED, _works(observation))
    )
    kept = key.status.model_copy(
        update={"expires_at": wake_at, "issued": _renewed_stamp(observation), "approval": None}
    )
    status = _with_token(kept, observation, reason, message)
    return Plan(_update(key, status), wake_at)


def _renewed_stamp(observation: ApiKeyObservation) -> Stamp | None:
    key, membership = observation.api_key, observation.membership
    return key.status.issued if membership is None else renewed_stamp(key, membership)


def _end_of_current(key: ApiKey) -> datetime | None:
    """Return when the key's present token expires, or None if it never does."""
    return expiry(key, key.status.issued.at if key.status.issued else None)


def _is_delivered(observation: ApiKeyObservation) -> bool:
    """Return whether the Secret holds the token. It is assumed to if the Secret wasn't read."""
    if observation.secret is None:
        return True
    return observation.secret.facts is not None and observation.secret.facts.holds_issued_token(observation.api_key)


def _repair(observation: ApiKeyObservation) -> tuple[Action, ...]:
    """Replace a Secret that was deleted or edited."""
    key, facts = observation.api_key, observation.secret.facts if observation.secret else None
    ours = facts is not None and (facts.is_owned_by(key) or facts.uid == key.status.secret_uid)
    what = "deleted" if facts is None else "edited" if ours else "replaced by another Secret"
    event = EmitEvent(
        reason="SecretReplaced",
        note=f"Secret {key.name} was {what}, so Tenure issues a new token. To revoke a key, delete its ApiKey or raise "
        "spec.revision. Deleting or editing the Secret doesn't revoke it.",
        occurrence=f"{key.status.secret_uid}",
        type=EventType.WARNING,
    )
    removal = (DeleteSecret(facts.uid),) if facts is not None and ours and facts.uid == key.status.secret_uid else ()
    return (*removal, IssueToken(), event)


def _delete(observation: ApiKeyObservation, obstacle: Obstacle) -> Plan[Action]:
    """Plan for a key whose ApiKey is deleted along with its token.

    Until then its status says that it was revoked, so that nobody who waits for `Ready` takes it for a working key. The
    status keeps the uid of the Secret, which tells that the ApiKey has to be deleted.
    """
    key, due = observation.api_key, _deletion_due(observation)
    if due <= observation.now:
        return Plan((*_delete_secret_of(key), DeleteApiKey()))
    status = _with_readiness(key.status, observation, obstacle.reason, f"{obstacle.message} {_IS_DELETED}")
    return Plan((*_delete_secret_of(key), *_update(key, status)), due)


def _wait(observation: ApiKeyObservation, obstacle: Obstacle) -> Plan[Action]:
    """Plan for a key that has no current token and can't get one."""
    key, leftover = observation.api_key, _leftover(observation)
    ending = _delete_secret_of(key) if leftover is None else (DeleteSecret(leftover.uid),)
    ends = expiry(key, None)
    status = _revoked_status(observation, obstacle)
    moments = [ends if ends is not None and ends > observation.now else None, stalls_at(status.conditions, key.kind)]
    wake_at = min((moment for moment in moments if moment is not None), default=None)
    return Plan((*ending, *state_events(key, status.conditions), *_update(key, status)), wake_at)


def _leftover(observation: ApiKeyObservation) -> SecretFacts | None:
    """Return the key's own Secret if the status doesn't name it, because of a crash between the two writes."""
    key, facts = observation.api_key, observation.secret.facts if observation.secret else None
    return facts if key.status.secret_uid is None and facts is not None and facts.is_owned_by(key) else None


def _deletes_object(observation: ApiKeyObservation, obstacle: Obstacle) -> bool:
    """Return whether to delete the ApiKey itself: only after a role change, and only along with a token that worked."""
    key, organization = observation.api_key, observation.organization
    if obstacle.reason is not Reason.ROLE_CHANGED or key.status.secret_uid is None or organization is None:
        return False
    if observation.membership is not None and not observation.membership.is_person:
        return False  # A role change revokes such a key only if it was approved once. It can be approved again.
    policy = observation.installation.policy(organization).on_role_change
    return policy is OnRoleChange.DELETE or (policy is OnRoleChange.AUTO and key.metadata.handmade)


def _deletion_due(observation: ApiKeyObservation) -> datetime:
    """Return when to delete an ApiKey that a role change revoked, which is shortly after its Secret.

    A tool that applies a role and a key's forRole in one commit reads the key and then writes it. The ApiKey must not
    be deleted in between.
    """
    change = observation.membership.status.last_role_change if observation.membership is not None else None
    return observation.now if change is None else change.at + _COMMIT_TIME


def _awaits_record(observation: ApiKeyObservation) -> bool:
    """Return whether a role change revoked the key and the Membership hasn't recorded it yet.

    Until then Tenure deletes only the Secret, because the record is made from the ApiKey's status.
    """
    key, membership = observation.api_key, observation.membership
    if membership is None or membership.metadata.deleting or not was_revoked_by_role(key, membership):
        return False
    change = membership.status.last_role_change
    if change is None or change.generation != membership.metadata.generation:
        return True
    listed = any(ended.key_id == key.status.key_id for ended in change.keys)
    return not listed and change.key_count == len(change.keys)


def _works(observation: ApiKeyObservation) -> str:
    key, membership = observation.api_key, observation.membership
    text = f"The token in Secret {key.name} works"
    if membership is None or not key.awaits_other_role(membership.spec.role):
        return f"{text}."
    return f"{text} until the role of {membership.name} changes. The key is approved for the role {key.spec.for_role}."


def _delete_secret_of(key: ApiKey) -> tuple[Action, ...]:
    return () if key.status.secret_uid is None else (DeleteSecret(key.status.secret_uid),)


def _revoked_status(observation: ApiKeyObservation, obstacle: Obstacle) -> ApiKeyStatus:
    """Return the status of a key without a token. It still describes the revoked one, but doesn't name its Secret."""
    kind = (
        observation.membership.spec.subject.kind if observation.membership else observation.api_key.status.subject_kind
    )
    ended = observation.api_key.status.model_copy(
        update={
            "secret_name": None,
            "secret_uid": None,
            "subject_kind": kind,
            "approval": kept_approval(observation.api_key, observation.membership),
        }
    )
    return _with_readiness(ended, observation, obstacle.reason, obstacle.message)


def _with_readiness(status: ApiKeyStatus, observation: ApiKeyObservation, reason: Reason, message: str) -> ApiKeyStatus:
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
    shown = _with_readiness(status, observation, reason, message)
    return shown.model_copy(update={"conditions": [*shown.conditions, *template]})


def _update(key: ApiKey, status: ApiKeyStatus) -> tuple[Action, ...]:
    return () if status == key.status else (UpdateStatus(status),)
