"""What the cluster knows of the past of a member or a key: the record of the role change, stamps, and Events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.resources import ApiKey, Membership
from tenure.domain.resources.membership import RoleChange
from tenure.viewmodel.snapshot import Snapshot

MOST = 50
"""Maximum number of entries of a history, the latest ones."""

_RECORDED = "RoleChanged"
"""Reason of the Event that says the same as the record of a role change."""

_NAMED_KEYS = 20


@dataclass(frozen=True)
class EventNote:
    """An Event about an object, which the cluster keeps for an hour, unless it is set up otherwise."""

    at: datetime
    reason: str
    note: str
    reporter: str


@dataclass(frozen=True)
class Events:
    """The Events about an object.

    Attributes:
        hidden: Why the caller may not list them, or empty.
    """

    notes: tuple[EventNote, ...] = ()
    hidden: str = ""


@dataclass(frozen=True)
class HistoryEntry:
    """Something that happened.

    Attributes:
        by: The field manager or the program that did it, or None if the cluster doesn't say.
    """

    at: datetime
    what: str
    by: str | None = None


@dataclass(frozen=True)
class History:
    """What happened, the latest first.

    Attributes:
        hidden: Why Events are missing, or empty.
    """

    entries: tuple[HistoryEntry, ...]
    hidden: str = ""


def member_history(snapshot: Snapshot, member: Membership, events: Events) -> History:
    """Return what the cluster knows of a member's past."""
    keys = [key for key in snapshot.keys if member.name in (key.spec.membership, key.holder)]
    entries = [*_of_member(member), *(entry for key in keys for entry in _of_key(key, key.name))]
    return _history(entries, events, with_record=member.status.last_role_change is not None)


def key_history(key: ApiKey, events: Events) -> History:
    """Return what the cluster knows of a key's past."""
    return _history([HistoryEntry(key.metadata.creation_timestamp, "ApiKey created"), *_of_key(key, "")], events)


def _history(entries: Iterable[HistoryEntry], events: Events, *, with_record: bool = False) -> History:
    noted = [
        HistoryEntry(event.at, f"{event.reason}: {event.note}", event.reporter or None)
        for event in events.notes
        if not (with_record and event.reason == _RECORDED)
    ]
    latest = sorted([*entries, *noted], key=lambda entry: entry.at, reverse=True)
    return History(tuple(latest[:MOST]), events.hidden)


def _of_member(member: Membership) -> Iterator[HistoryEntry]:
    yield HistoryEntry(member.metadata.creation_timestamp, "Membership created")
    if change := member.status.last_role_change:
        yield HistoryEntry(change.at, _changed(change), change.field_manager)
    invitation = member.status.invitation
    if invitation is None:
        return
    if invitation.requested_at:
        yield HistoryEntry(invitation.requested_at, "Invitation asked for again")
    if invitation.sent_at:
        yield HistoryEntry(invitation.sent_at, "Invitation sent")
    if invitation.accepted_at:
        yield HistoryEntry(invitation.accepted_at, "Invitation accepted")


def _changed(change: RoleChange) -> str:
    moved = f"Role changed from {change.from_role} to {change.to_role}"
    if not change.key_count:
        return f"{moved}. It revoked no token"
    fates = [f"{key.name} ({key.fate.lower()})" for key in change.keys[:_NAMED_KEYS]]
    more = change.key_count - len(fates)
    others = f" and {more} more" if more > 0 else ""
    return f"{moved}. Tokens that it revoked: {', '.join(fates)}{others}"


def _of_key(key: ApiKey, name: str) -> Iterator[HistoryEntry]:
    issued, former = key.status.issued, key.status.previous
    shown = f" of {name}" if name else ""
    if former is not None:
        yield HistoryEntry(former.issued.at, f"Token {former.key_id}{shown} issued for {former.issued.role}")
    if issued is not None:
        replacing = f". It replaces {former.key_id}" if former is not None else ""
        yield HistoryEntry(issued.at, f"Token {key.status.key_id}{shown} issued for {issued.role}{replacing}")
