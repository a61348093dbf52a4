"""Plans what to do about an ApiKey: find its state, then issue, keep or revoke it, or say why it waits."""

from datetime import datetime, timedelta

from tenure.domain.conditions import readiness
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
from tenure.domain.planning.states import KeyState
from tenure.domain.policy import OnRoleChange
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.apikey import ApiKeyStatus, Stamp
from tenure.domain.resources.membership import Fate
from tenure.domain.secret import SecretFacts
from tenure.domain.validity import Verdict, expiry, fell_with_role, validity

_COMMIT_TIME = timedelta(seconds=3)
"""Time that it takes to apply the manifests of one commit."""


def plan_api_key(seen: ApiKeyObservation) -> Plan[Action]:
    """Plan what to do about an ApiKey. Its state decides, and `KEY_STEPS` lists each state's steps."""
    key = seen.api_key
    state, obstacle = _find(seen)
    match state:
        case KeyState.TO_READ:
            return Plan(needs_fresh_read=True)
        case KeyState.WORKS | KeyState.SUSPENDED:
            return _keep(seen, suspended=state is KeyState.SUSPENDED)
        case KeyState.TO_REPAIR:
            return Plan(_repair(seen), _end_of_current(key))
        case KeyState.TO_RECORD:
            return Plan(_end_secret(key), awaits_record=True)
    if obstacle is None:
        return Plan((*_end_secret(key), IssueToken()))
    return _delete(seen) if state is KeyState.TO_DELETE else _wait(seen, obstacle)


def find_key_state(seen: ApiKeyObservation) -> KeyState:
    """Return the state of a key according to the evidence."""
    state, _ = _find(seen)
    return state


def _find(seen: ApiKeyObservation) -> tuple[KeyState, Obstacle | None]:
    """Return the state of a key and, if its token isn't current, the obstacle to another one."""
    verdict = validity(seen.api_key, seen.membership, seen.organization, seen.now)
    match verdict:
        case Verdict.BEHIND:
            return KeyState.TO_READ, None
        case Verdict.SUSPENDED:
            return KeyState.SUSPENDED, None
        case Verdict.VALID:
            return (KeyState.WORKS if _is_delivered(seen) else KeyState.TO_REPAIR), None
    if _awaits_record(seen):
        return KeyState.TO_RECORD, None
    obstacle = find_obstacle(seen, verdict)
    return _find_ended(seen, obstacle), obstacle


def _find_ended(seen: ApiKeyObservation, obstacle: Obstacle | None) -> KeyState:
    """Return the state of a key whose token isn't current, once a role change is recorded."""
    status = seen.api_key.status
    has_secret = status.secret_uid is not None
    if obstacle is None:
        return KeyState.TO_REISSUE if has_secret else KeyState.TO_ISSUE
    if has_secret:
        return KeyState.TO_DELETE if _deletes_object(seen, obstacle) else KeyState.TO_REVOKE
    if _leftover(seen) is not None:
        return KeyState.TO_CLEAN
    return KeyState.WAITS if status.issued is None else KeyState.REVOKED


def issued_status(
    seen: ApiKeyObservation, stamp: Stamp, *, key_id: str, token_hash: str, secret_uid: str
) -> ApiKeyStatus:
    """Return the status of a key whose token was just written into its Secret."""
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
    """Return the status of a key that couldn't be issued, for a reason that only the attempt showed."""
    return _ended_status(seen, Obstacle(reason, message))


def new_stamp(seen: ApiKeyObservation, at: datetime) -> Stamp:
    """Return the stamp of a token that is issued at `at`.

    Raises:
        ValueError: there is no Membership or no Organization.
    """
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


def fate(seen: ApiKeyObservation) -> Fate:
    """Return what becomes of an ApiKey whose token a role change revoked."""
    obstacle = find_obstacle(seen, validity(seen.api_key, seen.membership, seen.organization, seen.now))
    if obstacle is None:
        return Fate.REISSUED
    return Fate.DELETED if _deletes_object(seen, obstacle) else Fate.REVOKED


def _keep(seen: ApiKeyObservation, *, suspended: bool) -> Plan[Action]:
    """Plan for a key whose token is current."""
    key = seen.api_key
    wake_at = _end_of_current(key)
    reason, message = (Reason.SUSPENDED, describe_suspension(seen)) if suspended else (Reason.ISSUED, _works(key))
    status = _with_readiness(key.status.model_copy(update={"expires_at": wake_at}), seen, reason, message)
    return Plan(_update(key, status), wake_at)


def _end_of_current(key: ApiKey) -> datetime | None:
    """Return when the key's present token expires, or None if it never does."""
    return expiry(key, key.status.issued.at if key.status.issued else None)


def _is_delivered(seen: ApiKeyObservation) -> bool:
    """Return whether the Secret holds the token. It is assumed to if the Secret wasn't read."""
    if seen.secret is None:
        return True
    return seen.secret.facts is not None and seen.secret.facts.holds_issued_token(seen.api_key)


def _repair(seen: ApiKeyObservation) -> tuple[Action, ...]:
    """Replace a Secret that was deleted or edited."""
    key, facts = seen.api_key, seen.secret.facts if seen.secret else None
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


def _delete(seen: ApiKeyObservation) -> Plan[Action]:
    """Plan for a key whose ApiKey is deleted along with its token."""
    ending, due = _end_secret(seen.api_key), _deletion_due(seen)
    return Plan((*ending, DeleteApiKey())) if due <= seen.now else Plan(ending, due)


def _wait(seen: ApiKeyObservation, obstacle: Obstacle) -> Plan[Action]:
    """Plan for a key that has no current token and can't get one."""
    key, leftover = seen.api_key, _leftover(seen)
    ending = _end_secret(key) if leftover is None else (DeleteSecret(leftover.uid),)
    ends = expiry(key, None)
    wake_at = ends if ends is not None and ends > seen.now else None
    status = _ended_status(seen, obstacle)
    return Plan((*ending, *state_events(key, status.conditions), *_update(key, status)), wake_at)


def _leftover(seen: ApiKeyObservation) -> SecretFacts | None:
    """Return the key's own Secret if the status doesn't name it, because of a crash between the two writes."""
    key, facts = seen.api_key, seen.secret.facts if seen.secret else None
    return facts if key.status.secret_uid is None and facts is not None and facts.is_owned_by(key) else None


def _deletes_object(seen: ApiKeyObservation, obstacle: Obstacle) -> bool:
    """Return whether to delete the ApiKey itself: only after a role change, and only along with a token that worked."""
    key, organization = seen.api_key, seen.organization
    if obstacle.reason is not Reason.ROLE_CHANGED or key.status.secret_uid is None or organization is None:
        return False
    if seen.membership is not None and not seen.membership.is_person:
        return False  # A role change revokes such a key only if it was approved once. It can be approved again.
    policy = seen.installation.policy(organization).on_role_change
    managed = key.metadata.gitops_mark is not None
    return policy is OnRoleChange.DELETE or (policy is OnRoleChange.AUTO and not managed)


def _deletion_due(seen: ApiKeyObservation) -> datetime:
    """Return when to delete an ApiKey that a role change revoked, which is shortly after its Secret.

    A tool that applies a role and a key's forRole in one commit reads the key and then writes it. The ApiKey must not
    be deleted in between.
    """
    change = seen.membership.status.last_role_change if seen.membership is not None else None
    return seen.now if change is None else change.at + _COMMIT_TIME


def _awaits_record(seen: ApiKeyObservation) -> bool:
    """Return whether a role change revoked the key and the Membership hasn't recorded it yet.

    Until then Tenure deletes only the Secret, because the record is made from the ApiKey's status.
    """
    key, membership = seen.api_key, seen.membership
    if membership is None or membership.metadata.deleting or not fell_with_role(key, membership):
        return False
    change = membership.status.last_role_change
    if change is None or change.generation != membership.metadata.generation:
        return True
    listed = any(ended.key_id == key.status.key_id for ended in change.keys)
    return not listed and change.key_count == len(change.keys)


def _works(key: ApiKey) -> str:
    return f"The token in Secret {key.name} works."


def _end_secret(key: ApiKey) -> tuple[Action, ...]:
    return () if key.status.secret_uid is None else (DeleteSecret(key.status.secret_uid),)


def _ended_status(seen: ApiKeyObservation, obstacle: Obstacle) -> ApiKeyStatus:
    """Return the status of a key without a token. It still describes the revoked one, but doesn't name its Secret."""
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
