"""Plans what to do about an ApiKey: find its state, then issue, keep or revoke it, or say why it waits."""

from datetime import datetime, timedelta

from tenure.domain.conditions import stalls_at
from tenure.domain.planning.actions import (
    Action,
    AnnounceToken,
    DeleteApiKey,
    DeleteSecret,
    DeliverToken,
    EmitEvent,
    EventType,
    IssueToken,
    Plan,
    UpdateStatus,
)
from tenure.domain.planning.events import state_events
from tenure.domain.planning.key_status import (
    describe_working,
    end_of_current,
    kept_status,
    promotion,
    readiness_of_current,
    revoked_status,
    with_readiness,
)
from tenure.domain.planning.observation import ApiKeyObservation, Obstacle
from tenure.domain.planning.obstacles import find_obstacle
from tenure.domain.planning.records import awaits_record
from tenure.domain.planning.rotation import find_rotation_state, holds_successor, wakes_at
from tenure.domain.planning.states import STAGES, KeyState, Stage
from tenure.domain.policy import OnRoleChange
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.membership import Fate
from tenure.domain.secret import SecretFacts
from tenure.domain.validity import Verdict, expiry

_COMMIT_TIME = timedelta(seconds=3)
"""Time that it takes to apply the manifests of one commit."""

_IS_DELETED = "This ApiKey is deleted in a moment."


def plan_api_key(observation: ApiKeyObservation) -> Plan[Action]:
    """Plan what to do about an ApiKey. Its state decides, and `KEY_STEPS` lists each state's steps."""
    state, obstacle = _find(observation)
    if state is KeyState.TO_READ:
        return Plan(needs_fresh_read=True)
    if STAGES[state] is Stage.CURRENT:
        return _plan_current(observation, state)
    key = observation.api_key
    if state is KeyState.TO_RECORD:
        return Plan(_delete_secret_of(key), awaits_record=True)
    if obstacle is None:
        return Plan((*(() if _is_replaced_in_place(observation) else _delete_secret_of(key)), IssueToken()))
    return _delete(observation, obstacle) if state is KeyState.TO_DELETE else _wait(observation, obstacle)


def _plan_current(observation: ApiKeyObservation, state: KeyState) -> Plan[Action]:
    """Plan for a key whose token is current: keep it, repair its Secret, or rotate it."""
    match state:
        case KeyState.TO_REPAIR:
            return Plan(_repair(observation), end_of_current(observation.api_key))
        case KeyState.TO_ROTATE:
            return Plan((AnnounceToken(),), end_of_current(observation.api_key))
        case KeyState.TO_DELIVER:
            return _deliver(observation)
        case KeyState.TO_PROMOTE:
            return Plan(promotion(observation), observation.now)
        case _:
            return _keep(observation)


def find_key_state(observation: ApiKeyObservation) -> KeyState:
    """Return the state of a key according to the evidence."""
    state, _ = _find(observation)
    return state


def _find(observation: ApiKeyObservation) -> tuple[KeyState, Obstacle | None]:
    """Return the state of a key and, if its token isn't current, the obstacle to another one."""
    verdict = observation.verdict()
    if (current := _find_current(observation, verdict)) is not None:
        return current, None
    if awaits_record(observation):
        return KeyState.TO_RECORD, None
    obstacle = find_obstacle(observation, verdict)
    return _find_ended(observation, obstacle), obstacle


def _find_current(observation: ApiKeyObservation, verdict: Verdict) -> KeyState | None:
    """Return the state of a key with a token that works or may work again, or None if it has none."""
    if verdict is Verdict.BEHIND:
        return KeyState.TO_READ
    # A rotation or a repair would drop a token that isn't recorded yet.
    waits_for_record = awaits_record(observation)
    if holds_successor(observation):
        return KeyState.WORKS if waits_for_record else KeyState.TO_PROMOTE
    if verdict is Verdict.SUSPENDED:
        return KeyState.SUSPENDED
    if verdict is not Verdict.VALID:
        return None
    if waits_for_record:
        return KeyState.WORKS
    return (find_rotation_state(observation) or KeyState.WORKS) if _is_delivered(observation) else KeyState.TO_REPAIR


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


def fate(observation: ApiKeyObservation) -> Fate:
    """Return what becomes of an ApiKey whose token a role change revoked."""
    obstacle = find_obstacle(observation, observation.verdict())
    if obstacle is None:
        return Fate.REISSUED
    return Fate.DELETED if _deletes_object(observation, obstacle) else Fate.REVOKED


def _keep(observation: ApiKeyObservation) -> Plan[Action]:
    """Plan for a key whose token is current."""
    key = observation.api_key
    moments = [moment for moment in (end_of_current(key), wakes_at(observation)) if moment is not None]
    return Plan(
        _update(key, kept_status(observation, *readiness_of_current(observation))),
        min(moments, default=None),
        awaits_record=awaits_record(observation),
    )


def _deliver(observation: ApiKeyObservation) -> Plan[Action]:
    """Plan for a key whose next token this process announced: deliver it once the verifiers know its hash."""
    announced = observation.announced
    if announced is None or announced.deliver_at <= observation.now:
        return Plan((DeliverToken(),))
    status = kept_status(observation, Reason.ISSUED, describe_working(observation))
    return Plan(_update(observation.api_key, status), announced.deliver_at)


def _is_replaced_in_place(observation: ApiKeyObservation) -> bool:
    """Return whether a new token is written into the present Secret: after a raised revision.

    After a role change Tenure deletes the Secret first, because the token is revoked before a new one is approved.
    """
    return observation.verdict() is Verdict.PENDING


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
    status = with_readiness(key.status, observation, obstacle.reason, f"{obstacle.message} {_IS_DELETED}")
    return Plan((*_delete_secret_of(key), *_update(key, status)), due)


def _wait(observation: ApiKeyObservation, obstacle: Obstacle) -> Plan[Action]:
    """Plan for a key that has no current token and can't get one."""
    key, leftover = observation.api_key, _leftover(observation)
    ending = _delete_secret_of(key) if leftover is None else (DeleteSecret(leftover.uid),)
    ends = expiry(key, None)
    status = revoked_status(observation, obstacle)
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
    if key.is_handed_over:
        return False  # The token that was revoked is of another member than the role.
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


def _delete_secret_of(key: ApiKey) -> tuple[Action, ...]:
    return () if key.status.secret_uid is None else (DeleteSecret(key.status.secret_uid),)


def _update(key: ApiKey, status: ApiKeyStatus) -> tuple[Action, ...]:
    return () if status == key.status else (UpdateStatus(status),)
