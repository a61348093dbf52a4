"""Plans what to do about a Membership: its status, and the record of a role change with the keys that it revoked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.conditions import readiness, stalls_at
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.listing import listed_key
from tenure.domain.planning.actions import EmitEvent, EventType, Plan, Regarding, StatusAction, UpdateStatus
from tenure.domain.planning.apikeys import fate
from tenure.domain.planning.events import state_events
from tenure.domain.planning.invitations import invitation_conditions
from tenure.domain.planning.observation import ApiKeyObservation, Siblings
from tenure.domain.planning.states import ChangeState
from tenure.domain.policy import MAX_KEYS_PER_MEMBER
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import Condition
from tenure.domain.resources.membership import (
    MAX_LISTED_KEYS,
    MAX_RECORDED,
    CapabilityLevels,
    EndedKey,
    Fate,
    MembershipStatus,
    RoleChange,
    WaitingKey,
)
from tenure.domain.roles import capabilities
from tenure.domain.text import shortened
from tenure.domain.validity import Verdict, validity, was_revoked_by_role
from tenure.domain.views import former_view, token_views

_NAMES_IN_NOTE = 8


@dataclass(frozen=True)
class MembershipObservation:
    """The input of the plan for a Membership."""

    membership: Membership
    organization: Organization | None
    """The Organization in force in the namespace, if it is the one that the Membership names."""

    keys: Sequence[ApiKey]
    """All keys that name the member, or have a token that was issued under the member."""

    now: datetime
    displaced_by: str | None = None
    """Name of the older Membership of the same subject, or None. Only the oldest one has effect."""

    installation: Installation = DEFAULTS


def plan_membership(observation: MembershipObservation) -> Plan[StatusAction]:
    """Plan what to do about a Membership.

    A role change is recorded with one pair of Events. A later correction of the record has no Event.
    """
    membership = observation.membership
    if membership.metadata.deleting:
        return Plan()
    change = _role_change(observation)
    status = _status(observation, change or membership.status.last_role_change)
    wake_at = stalls_at(status.conditions, membership.kind)
    if status == membership.status:
        return Plan(wake_at=wake_at)
    events: tuple[StatusAction, ...] = ()
    if change is not None and _find(observation, change) is ChangeState.SEEN:
        events = _announce(membership, change)
    return Plan((*events, *state_events(membership, status.conditions), UpdateStatus(status)), wake_at)


def find_change_state(observation: MembershipObservation) -> ChangeState:
    """Return the state of the latest role change according to the evidence."""
    return _find(observation, _role_change(observation))


def _find(observation: MembershipObservation, change: RoleChange | None) -> ChangeState:
    known = observation.membership.status.last_role_change
    if change is not None:
        return ChangeState.LATE if known and known.generation == change.generation else ChangeState.SEEN
    if known is None:
        return ChangeState.NONE
    return ChangeState.RECORDED if _revoked_tokens(observation) else ChangeState.DONE


def _revoked_tokens(observation: MembershipObservation) -> list[ApiKey]:
    """Return a view for each token that the latest role change revoked. A key has two around a rotation."""
    views = (view for key in observation.keys for view in token_views(key))
    return [view for view in views if was_revoked_by_role(view, observation.membership)]


def _role_change(observation: MembershipObservation) -> RoleChange | None:
    """Return the record of a role change that the status doesn't have yet, or None if there is nothing to add."""
    membership, status = observation.membership, observation.membership.status
    generation, known = membership.metadata.generation, status.last_role_change
    fallen = _revoked_tokens(observation)
    if known is not None and known.generation == generation:
        return _extend(known, fallen, observation)
    if 0 <= status.observed_generation < generation:
        before = status.role or membership.spec.role
    elif fallen:
        stamps = [key.status.issued for key in fallen if key.status.issued]
        before = max(stamps, key=lambda stamp: stamp.membership_generation).role
    else:
        return None
    return RoleChange(
        from_role=before,
        to_role=membership.spec.role,
        generation=generation,
        at=observation.now.replace(microsecond=0),
        field_manager=membership.role_manager,
        key_count=len(fallen),
        keys=_ended(fallen, observation)[:MAX_KEYS_PER_MEMBER],
    )


def _extend(known: RoleChange, fallen: Sequence[ApiKey], observation: MembershipObservation) -> RoleChange | None:
    """Return the record with keys that the same change revoked and that were found late, or None if it is complete."""
    listed = {key.key_id for key in known.keys}
    late = [key for key in fallen if key.status.key_id not in listed]
    if known.key_count > len(known.keys):
        return None
    approved = {
        key.name
        for key in observation.keys
        if not key.metadata.deleting
        and (key.spec.for_role is known.to_role or key.spec.membership != observation.membership.name)
    }
    told = [_saved(key) if key.name in approved else key for key in known.keys]
    keys = sorted([*told, *_ended(late, observation)], key=lambda key: key.name)[:MAX_KEYS_PER_MEMBER]
    if keys == known.keys and not late:  # Those that don't fit into the list are counted.
        return None
    return known.model_copy(update={"key_count": known.key_count + len(late), "keys": keys})


def _saved(key: EndedKey) -> EndedKey:
    """Return the entry of a key that was to be deleted and then was approved for the new role in time."""
    return key.model_copy(update={"fate": Fate.REISSUED}) if key.fate is Fate.DELETED else key


def _ended(keys: Sequence[ApiKey], observation: MembershipObservation) -> list[EndedKey]:
    siblings = Siblings(observation.keys)
    ended = [
        EndedKey(
            name=key.name,
            key_id=key.status.key_id or "",
            description=shortened(key.spec.description, MAX_RECORDED) if key.spec.description else None,
            fate=_fate(key, observation, siblings),
        )
        for key in keys
    ]
    return sorted(ended, key=lambda key: key.name)


def _fate(key: ApiKey, observation: MembershipObservation, siblings: Siblings) -> Fate:
    if key.spec.membership != observation.membership.name:
        return Fate.REISSUED  # It was handed over, so the next token is another member's.
    return fate(
        ApiKeyObservation(
            api_key=key,
            membership=observation.membership,
            organization=observation.organization,
            siblings=siblings,
            now=observation.now,
            displaced_by=observation.displaced_by,
            installation=observation.installation,
        )
    )


def _announce(membership: Membership, change: RoleChange) -> tuple[StatusAction, ...]:
    """Return one Event on the Membership and one on its Organization."""
    every_name = list(dict.fromkeys(key.name for key in change.keys))
    number = len(every_name) + change.key_count - len(change.keys)  # Without keys that are listed twice.
    names = every_name[:_NAMES_IN_NOTE]
    more = number - len(names)
    listed = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    keys = "1 key" if number == 1 else f"{number} keys"
    revoked = f"This revoked {keys}: {listed}" if number else "This revoked no keys"
    by = f" by {change.field_manager}" if change.field_manager else ""
    if change.from_role is change.to_role:
        what = f"The role of {membership.name} was changed and changed back to {change.to_role}{by}"
    else:
        what = f"The role of {membership.name} was changed from {change.from_role} to {change.to_role}{by}"
    type_ = EventType.WARNING if change.key_count else EventType.NORMAL
    return tuple(
        EmitEvent(
            reason="RoleChanged",
            note=f"{what}. {revoked}",
            occurrence=f"{membership.metadata.uid}/{change.generation}",
            type=type_,
            regarding=regarding,
        )
        for regarding in Regarding
    )


def _status(observation: MembershipObservation, change: RoleChange | None) -> MembershipStatus:
    membership = observation.membership
    views = (_working(key, observation) for key in observation.keys)
    working = sorted((view for view in views if view is not None), key=lambda key: key.name)
    reason, message = _readiness(observation)
    return membership.status.model_copy(
        update={
            "observed_generation": membership.metadata.generation,
            "conditions": [
                *readiness(
                    membership.status.conditions,
                    kind=membership.kind,
                    ready=reason is Reason.ACTIVE,
                    reason=reason,
                    message=message,
                    generation=membership.metadata.generation,
                    now=observation.now,
                ),
                *_invitation(observation),
            ],
            "role": membership.spec.role,
            "username": observation.installation.username(membership.spec.subject.name)
            if membership.is_person
            else None,
            "capabilities": CapabilityLevels(
                **{name.value: level.label for name, level in capabilities(membership.spec.role).items()}
            ),
            "key_count": len(working),
            "keys": [listed_key(key) for key in working[:MAX_LISTED_KEYS]],
            "waiting_keys": _waiting_keys(observation, working),
            "last_role_change": change,
        }
    )


def _working(key: ApiKey, observation: MembershipObservation) -> ApiKey | None:
    """Return the key, or the view of its former token, if that is a working token of the member. Else None."""
    views = (key, former_view(key))
    return next((view for view in views if view is not None and _works(view, observation)), None)


def _works(view: ApiKey, observation: MembershipObservation) -> bool:
    membership = observation.membership
    verdict = validity(view, membership, observation.organization, observation.now)
    return view.holder == membership.name and verdict is Verdict.VALID


def _invitation(observation: MembershipObservation) -> list[Condition]:
    """Return the conditions on the invitation, unless the Membership has no effect anyway."""
    organization = observation.organization
    if organization is None or organization.metadata.deleting or observation.displaced_by is not None:
        return []
    return invitation_conditions(observation.membership, organization, observation.now)


def _waiting_keys(observation: MembershipObservation, working: Sequence[ApiKey]) -> list[WaitingKey] | None:
    role, names = observation.membership.spec.role, {key.name for key in working}
    waiting = [
        WaitingKey(name=key.name, for_role=key.spec.for_role)
        for key in sorted(observation.keys, key=lambda key: key.name)
        if key.spec.membership == observation.membership.name
        and key.awaits_other_role(role)
        and key.name not in names
        and not key.metadata.deleting
    ]
    return waiting[:MAX_LISTED_KEYS] or None


def _readiness(observation: MembershipObservation) -> tuple[Reason, str]:
    membership, organization = observation.membership, observation.organization
    if organization is None or organization.metadata.deleting:
        name = membership.spec.organization
        message = (
            f"Waiting for Organization {name} in this namespace. If spec.organization is misspelled, delete this "
            "Membership and create it again with the right name."
        )
        return Reason.ORGANIZATION_NOT_FOUND, message
    if observation.displaced_by is not None:
        first = (
            f"{membership.spec.subject.name} is already a member, with the older Membership {observation.displaced_by}"
        )
        return Reason.DUPLICATE_SUBJECT, f"{first}. Delete one of the two."
    if organization.spec.suspended:
        return Reason.SUSPENDED, f"Suspended by spec.suspended of Organization {organization.name}."
    if organization.suspends(membership.name):
        return Reason.SUSPENDED, f"Suspended by spec.suspendedMembers of Organization {organization.name}."
    return Reason.ACTIVE, f"{membership.spec.subject.name} has the role {membership.spec.role}."
