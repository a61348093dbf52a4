"""The limits that keep letters from becoming a flood: which letters may be sent now, and until when others wait."""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tenure.domain.letters.ledger import MAX_TRIES, RESEND, Entry, Ledger
from tenure.domain.letters.letter import Letter
from tenure.domain.letters.rates import Limits

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


@dataclass(frozen=True)
class Held:
    """A letter that has to wait."""

    letter: Letter
    until: datetime
    reason: str
    """For people: a sentence without a full stop."""


class _Windows:
    """When letters were or will be sent, by what each limit counts."""

    def __init__(self, entries: Iterable[Entry], limits: Limits) -> None:
        self._limits = limits
        self._times: dict[tuple[object, ...], list[datetime]] = defaultdict(list)
        for entry in entries:
            self.add(entry, entry.at)

    def add(self, entry: Entry, at: datetime) -> None:
        for key, *_ in self._of(entry):
            insort(self._times[key], at)

    def earliest(self, entry: Entry, now: datetime) -> tuple[datetime, str]:
        """Return when a letter may be sent, and the limit that holds it back longest."""
        at, reason = now, ""
        for key, most, span, why in self._of(entry):
            times = self._times[key]
            if len(times) >= most and times[-most] + span > at:
                at, reason = times[-most] + span, why
        return at, reason

    def _of(self, entry: Entry) -> Sequence[tuple[tuple[object, ...], int, timedelta, str]]:
        limits = self._limits
        resent = entry.kind == RESEND
        mine = limits.resends_a_day if resent else 1
        same = (
            f"an invitation can be resent {mine} times in 24 hours"
            if resent
            else "an address gets one such letter in 24 hours from an organization"
        )
        return (
            (("kind", entry.organization, entry.address, entry.kind), mine, DAY, same),
            (("address", entry.address), limits.address_a_day, DAY, _a_day(limits.address_a_day)),
            (
                ("organization", entry.organization),
                limits.organization_an_hour,
                HOUR,
                f"an organization can send {limits.organization_an_hour} letters in an hour",
            ),
            (
                ("installation",),
                limits.installation_an_hour,
                HOUR,
                f"this installation can send {limits.installation_an_hour} letters in an hour",
            ),
        )


def _a_day(most: int) -> str:
    return f"an address gets {most} letters in 24 hours"


def sort_out(
    letters: Sequence[Letter], ledger: Ledger, limits: Limits, now: datetime
) -> tuple[list[Letter], list[Held]]:
    """Return the letters that may be sent now, and those that have to wait, each until when.

    Each organization's letters stay in their order, and the organizations take turns.

    A repetition of a letter counts once. The moments of those that wait take the limits into account too, so they don't
    all wait for the same moment.
    """
    entries = list(ledger.sent())
    windows = _Windows(entries, limits)
    ready: list[Letter] = []
    held: list[Held] = []
    room = ledger.room()
    for letter in _in_turn(letters, entries, ledger):
        known = ledger.entry(letter)
        if known is not None:
            if known.tries < MAX_TRIES or now >= known.at + DAY:
                ready.append(letter)
            else:
                held.append(Held(letter, known.at + DAY, "nobody knows whether the mail server took it"))
            continue
        entry = ledger.new_entry(letter, now)
        until, reason = windows.earliest(entry, now)
        if until <= now and room <= 0:
            until, reason = now + HOUR, "the ledger of letters is full"
        windows.add(entry, until)
        if until > now:
            held.append(Held(letter, until, reason))
        else:
            ready.append(letter)
            room -= 1
    return ready, held


def _in_turn(letters: Sequence[Letter], entries: Iterable[Entry], ledger: Ledger) -> Sequence[Letter]:
    """Return the letters so that no organization's many letters hold up the few of others.

    A letter's place is its number among those of its organization, including those that the ledger remembers. So it
    stays the same while letters go out, and an organization that has sent few goes first.
    """
    counts = Counter(entry.organization for entry in entries)
    tags: dict[str, bytes] = {}
    places: list[tuple[int, bytes, Letter]] = []
    for letter in letters:
        uid = letter.organization.metadata.uid
        tag = tags.get(uid) or tags.setdefault(uid, ledger.organization_of(letter))
        places.append((counts[tag], tag, letter))
        counts[tag] += 1
    return [letter for *_, letter in sorted(places, key=lambda place: place[:2])]
