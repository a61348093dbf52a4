"""Plans the rotation of a key: announce a new token, deliver it, promote it, and let the former one end.

The verifiers accept the new token from the moment at which its hash is announced, so a consumer that reads the Secret
never gets a token that they don't know. A crash after the announcement loses the token, and Tenure announces another
one. A crash after the delivery leaves it in the Secret, and Tenure promotes it. There is no third outcome.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from tenure.domain.conditions import find_condition, renew_condition
from tenure.domain.planning.actions import EmitEvent, EventType
from tenure.domain.planning.observation import ApiKeyObservation, Obstacle
from tenure.domain.planning.obstacles import describe_suspension, find_obstacle, life_obstacle
from tenure.domain.planning.records import is_unrecorded
from tenure.domain.planning.states import KeyState
from tenure.domain.reasons import ConditionType, Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import Condition, format_time
from tenure.domain.resources.stamp import AnnouncedToken, FormerToken
from tenure.domain.rotation import former_end, overlap_in_force, rotation_due
from tenure.domain.secret import template_digest
from tenure.domain.validity import WORKING, Verdict, expiry, renewed_stamp, token_end
from tenure.domain.views import announced_view, former_view

DELIVERY_DELAY = timedelta(seconds=2)
"""Time between the announcement and the delivery of a token, in which the verifiers learn its hash by their watches."""

_MAY_WORK = {*WORKING, Verdict.BEHIND}


def find_rotation_state(observation: ApiKeyObservation) -> KeyState | None:
    """Return the state of a rotation of a key that works, or None if there is no rotation and none can begin."""
    announced, successor = observation.announced, observation.api_key.status.next
    if successor is None or not _is_wanted(observation):
        return KeyState.TO_ROTATE if _may_begin(observation) else None
    is_held = announced is not None and announced.hash == successor.hash
    return KeyState.TO_DELIVER if is_held and _has_template(observation, successor) else KeyState.TO_ROTATE


def holds_successor(observation: ApiKeyObservation) -> bool:
    """Return whether the Secret holds the announced token, and that token works, or works again after a suspension."""
    key, facts = observation.api_key, observation.secret.facts if observation.secret else None
    view = announced_view(key)
    if view is None or facts is None or not facts.holds_issued_token(view):
        return False
    return observation.verdict(view) in WORKING


def may_hold_newer_token(observation: ApiKeyObservation) -> bool:
    """Return whether the Secret may hold a token that is newer than this state of the ApiKey.

    A rotation and a raised revision change the Secret in place, so its uid doesn't tell. Neither happens once the role
    has changed or the member is gone, so such a revocation needs no further read, unless the key was handed over.
    """
    if observation.api_key.is_handed_over:
        return True
    return observation.verdict() in {Verdict.VALID, Verdict.EXPIRED, Verdict.PENDING}


def announced_condition(observation: ApiKeyObservation, key_id: str) -> Condition:
    """Return the condition Rotating of a key whose next token is announced."""
    message = f"Token {key_id} is announced. Tenure writes it into Secret {observation.api_key.name} in a moment."
    return _condition(observation, Obstacle(Reason.ANNOUNCED, message), holds=True)


def rejected_condition(observation: ApiKeyObservation, reason: Reason, message: str) -> Condition:
    """Return the condition Rotating of a key whose announced token couldn't be written into the Secret."""
    told = Obstacle(reason, f"{message.removesuffix('.')}. The present token stays valid, and Tenure tries again.")
    return _condition(observation, told, holds=False)


def is_exposed(key: ApiKey) -> bool:
    """Return whether the last attempt found that a former holder may read the key's Secret."""
    return any(condition.reason == Reason.SECRET_EXPOSED for condition in key.status.conditions)


def exposure_event(observation: ApiKeyObservation, message: str) -> EmitEvent:
    """Return the Event that asks people to take a former holder's access to the Secret away."""
    successor = observation.api_key.status.next
    return EmitEvent(
        reason=Reason.SECRET_EXPOSED.value,
        note=message,
        occurrence=successor.key_id if successor is not None else "",
        type=EventType.WARNING,
    )


def promote(observation: ApiKeyObservation, delivered_at: datetime) -> tuple[ApiKeyObservation, EmitEvent]:
    """Return the observation of a key whose announced token has become the current one, and the Event that says so.

    Raises:
        ValueError: no token is announced.
    """
    status, successor, view = observation.api_key.status, observation.api_key.status.next, _successor_view(observation)
    membership, organization = observation.tenure_of(view)
    if successor is None or status.issued is None or membership is None or organization is None:
        raise ValueError("only an announced token can be promoted")
    policy = observation.installation.policy(organization)
    overlap_end = delivered_at + overlap_in_force(observation.api_key, organization, policy)
    own_end = expiry(observation.api_key, status.issued.at)
    former = FormerToken(
        key_id=status.key_id or "",
        hash=status.hash or "",
        issued=status.issued,
        replaced_at=delivered_at,
        ends_at=overlap_end if own_end is None else min(overlap_end, own_end),
    )
    promoted = status.model_copy(
        update={
            "key_id": successor.key_id,
            "hash": successor.hash,
            "issued": successor.issued,
            "subject_kind": membership.spec.subject.kind,
            "next": None,
            "previous": former,
        }
    )
    after = replace(observation, api_key=observation.api_key.model_copy(update={"status": promoted}))
    kept = kept_former(after)
    until = "is revoked" if kept is None else f"is valid until {format_time(kept.ends_at)}"
    before, name = observation.api_key.holder, after.api_key.name
    handed_over = "" if before == view.holder else f"The key was handed over from {before} to {view.holder}. "
    event = EmitEvent(
        reason="Rotated",
        note=f"{handed_over}Token {successor.key_id} replaces {former.key_id} in Secret {name}. The former token "
        f"{until}.",
        occurrence=successor.key_id,
    )
    return after, event


def kept_former(observation: ApiKeyObservation) -> FormerToken | None:
    """Return the former token with its stamp and its end as they are now, or None if there is none or it has ended.

    One that a role change revoked stays until the Membership has recorded it.
    """
    former, view = observation.api_key.status.previous, former_view(observation.api_key)
    if former is None or view is None:
        return None
    membership, organization = observation.tenure_of(view)
    if membership is None or organization is None:
        return None
    if is_unrecorded(view, observation):
        return former
    if observation.verdict(view) not in _MAY_WORK:
        return None
    policy = observation.installation.policy(organization)
    ends = former_end(former, overlap_in_force(observation.api_key, organization, policy))
    ends = min(ends, token_end(view, organization) or ends)
    if ends <= observation.now:
        return None
    return former.model_copy(update={"issued": renewed_stamp(view, membership), "ends_at": ends})


def kept_successor(observation: ApiKeyObservation) -> AnnouncedToken | None:
    """Return the announced token with its stamp as it is now. None if there is none, or if it isn't to be delivered."""
    successor, view = observation.api_key.status.next, announced_view(observation.api_key)
    if successor is None or view is None:
        return None
    membership = observation.tenure_of(view).membership
    if is_unrecorded(view, observation) or holds_successor(observation):
        return successor
    if membership is None or not _is_wanted(observation):
        return None
    return successor.model_copy(update={"issued": renewed_stamp(view, membership)})


def rotating_condition(observation: ApiKeyObservation) -> list[Condition]:
    """Return the condition Rotating of a key that works: of a rotation in progress, or of one that is hindered."""
    key = observation.api_key
    if kept_successor(observation) is not None:
        present = find_condition(key.status.conditions, ConditionType.ROTATING)
        return [] if present is None else [present]
    due = rotation_due(key)
    if due is None or due > observation.now:
        return []
    hindrance = _hindrance(observation)
    return [] if hindrance is None else [_condition(observation, hindrance, holds=False)]


def wakes_at(observation: ApiKeyObservation) -> datetime | None:
    """Return when a rotation is to begin or a former token ends. None if neither is ahead."""
    former = kept_former(observation)
    moments = (rotation_due(observation.api_key), None if former is None else former.ends_at)
    return min((moment for moment in moments if moment is not None and moment > observation.now), default=None)


def _has_template(observation: ApiKeyObservation, successor: AnnouncedToken) -> bool:
    """Return whether the stamp tells what the Secret would get from the template with the token now."""
    organization = observation.organization
    digest = None if organization is None else template_digest(observation.api_key, organization)
    return successor.issued.template_digest == digest


def _successor_view(observation: ApiKeyObservation) -> ApiKey:
    return announced_view(observation.api_key) or observation.api_key


def _is_wanted(observation: ApiKeyObservation) -> bool:
    """Return whether the announced token is to be delivered: it is of the spec's member, and isn't revoked."""
    view = _successor_view(observation)
    verdict = observation.verdict(view)
    rests = verdict is Verdict.SUSPENDED and observation.verdict() is Verdict.SUSPENDED
    return (verdict is Verdict.VALID or rests) and view.holder == observation.api_key.spec.membership


def _may_begin(observation: ApiKeyObservation) -> bool:
    due = rotation_due(observation.api_key)
    return due is not None and due <= observation.now and _hindrance(observation) is None


def _hindrance(observation: ApiKeyObservation) -> Obstacle | None:
    """Return why a rotation that is due can't begin now, or None if it can."""
    key, organization = observation.api_key, observation.organization
    if key.is_handed_over:
        return _obstacle_to_hand_over(observation)
    former = kept_former(observation)
    if former is not None:
        return Obstacle(
            Reason.FORMER_TOKEN_VALID,
            f"A rotation is due. It waits until the former token {former.key_id} expires at "
            f"{format_time(former.ends_at)}. To revoke that token now, set spec.rotation.overlap to 0s.",
        )
    if observation.displaced_by is not None:
        return Obstacle(
            Reason.DUPLICATE_SUBJECT,
            f"Not rotated, and the present token stays valid. Membership {observation.displaced_by} is older and has "
            f"the same subject. Create an ApiKey with spec.membership: {observation.displaced_by} instead.",
        )
    if organization is None:
        return None
    broken = life_obstacle(key, observation.installation.policy(organization), observation.now)
    if broken is None or broken.reason is not Reason.POLICY_VIOLATION:
        return None
    return replace(broken, message=f"Not rotated, and the present token stays valid. {broken.message}")


def _obstacle_to_hand_over(observation: ApiKeyObservation) -> Obstacle | None:
    """Return why the spec's member can't get the key now, or None. It doesn't wait for the end of a former token."""
    key = observation.api_key
    if observation.verdict() is Verdict.SUSPENDED:
        message = f"Not handed over to {key.spec.membership} yet. A suspended key gets no new token. "
        return Obstacle(Reason.HAND_OVER_PENDING, message + describe_suspension(observation, key.holder))
    obstacle = find_obstacle(observation, observation.verdict())
    if obstacle is None:
        return None
    kept = f"The present token of {key.holder} stays valid."
    message = f"Not handed over to {key.spec.membership} yet. {kept} {obstacle.message}"
    return Obstacle(Reason.HAND_OVER_PENDING, message)


def _condition(observation: ApiKeyObservation, told: Obstacle, *, holds: bool) -> Condition:
    key = observation.api_key
    return renew_condition(
        key.status.conditions,
        ConditionType.ROTATING,
        holds=holds,
        reason=told.reason,
        message=told.message,
        generation=key.metadata.generation,
        now=observation.now,
    )
