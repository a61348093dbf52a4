"""The ledger: which letters were sent to whom in the last days, without the addresses themselves.

A deleted Membership leaves no status behind. Without the ledger, deleting and creating one in a loop would fill
somebody's mailbox. An entry has HMACs of the address and of the letter's name, of which nobody can tell the address.
"""

import hmac
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tenure.domain.letters.letter import Letter, LetterKind, normalised

KEPT_INVITATION = timedelta(hours=25)
"""How long an invitation is remembered: the limits of a day need it, and the status knows that it was sent."""

KEPT_NOTICE = timedelta(hours=49)
"""How long a notice is remembered. It may be due for two days."""

KEPT_LATEST = timedelta(hours=73)
"""How long the time of the latest letter about keys is remembered. It may tell of keys a day before their moment."""

MAX_BYTES = 700_000
"""Maximum size. A ConfigMap may have 1 MiB, in base64."""

MAX_WISHES = MAX_BYTES // 2
"""Maximum size of the part about organizations, so that there is always room for letters: 35,000 of them."""

MAX_TRIES = 5
"""How often a letter is sent of which nobody knows whether the mail server took it."""

_FORMAT = struct.Struct(">6s6s5sBBI")
_WISH = struct.Struct(">5sBI")
"""Since when an organization has wanted some kinds of notices. The kinds are bits."""

_HEAD = struct.Struct(">4sBI")
_WISHES = struct.Struct(">I")
_MAGIC, _VERSION, _FIRST_VERSION = b"TLDG", 2, 1
_DONE = 255
_KINDS = {**{kind.value: number for number, kind in enumerate(LetterKind)}, "Resend": 15}
_NAMES = {number: name for name, number in _KINDS.items()}
_SINCE = 32
"""Added to a kind in version 1: the entry says since when an organization has wanted such notices."""

RESEND = "Resend"
"""The kind of an invitation to a member who got one before."""


@dataclass(frozen=True)
class Entry:
    """A letter that was sent, or is about to be."""

    letter: bytes
    address: bytes
    organization: bytes
    kind: str
    at: datetime
    """When it was sent first."""

    tries: int = 0
    """How often it was sent with an unknown outcome."""

    done: bool = False
    """Whether the mail server took or rejected it."""


class LedgerError(ValueError):
    """The stored ledger can't be read."""


class Ledger:
    """The entries, and since when each organization has wanted notices."""

    def __init__(self, key: bytes, began: datetime) -> None:
        """Create an empty ledger. `key` is the secret with which addresses are hashed."""
        self._key = key
        self.began = began.replace(microsecond=0)
        """When it was created. Nothing that happened before is worth a notice."""

        self._entries: dict[bytes, Entry] = {}
        self._since: dict[tuple[bytes, str], datetime] = {}

    def entry(self, letter: Letter) -> Entry | None:
        """Return the entry of a letter to this address, or None."""
        return self._entries.get(self._letter_tag(letter))

    def new_entry(self, letter: Letter, now: datetime) -> Entry:
        """Return the entry that a letter would get now.

        An invitation to a new role replaces the one to the former role, also if the mail server hasn't taken that yet.
        """
        repeats = letter.repeats or any(self.entry(former) is not None for former in letter.former)
        return Entry(
            self._letter_tag(letter),
            self._tag(normalised(letter.address), 6),
            self.organization_of(letter),
            RESEND if repeats else letter.kind.value,
            now.replace(microsecond=0),
        )

    def organization_of(self, letter: Letter) -> bytes:
        """Return the tag by which a letter's organization counts."""
        return self._organization_tag(_place(letter))

    def claim(self, letter: Letter, now: datetime) -> None:
        """Record that a letter is about to be sent."""
        entry = self.entry(letter) or self.new_entry(letter, now)
        self._entries[entry.letter] = replace(entry, tries=entry.tries + 1)

    def finish(self, letter: Letter, now: datetime) -> None:
        """Record that the mail server took or rejected a letter."""
        entry = self.entry(letter) or self.new_entry(letter, now)
        self._entries[entry.letter] = replace(entry, done=True)

    def postpone(self, letter: Letter) -> None:
        """Record that the mail server didn't take a letter, and that it may later."""
        entry = self.entry(letter)
        if entry is not None:
            self._entries[entry.letter] = replace(entry, tries=max(entry.tries - 1, 0))

    def told_at(self, uid: str, kind: LetterKind, address: str) -> datetime | None:
        """Return when the latest letter of a kind was sent to a member, or None."""
        tag = self._watermark(uid, kind, address)
        entry = self._entries.get(tag)
        return entry.at if entry is not None else None

    def tell(self, letter: Letter, now: datetime) -> None:
        """Record when the latest letter of its kind was sent to a member."""
        tag = self._watermark(letter.member.metadata.uid, letter.kind, letter.address)
        self._entries[tag] = Entry(tag, bytes(6), bytes(5), letter.kind.value, now.replace(microsecond=0), 0, done=True)

    def since(self, organization_uid: str, kind: LetterKind) -> datetime | None:
        """Return since when an organization has wanted notices of a kind, or None if it doesn't."""
        return self._since.get((self._organization_tag(organization_uid), kind.value))

    def follow(self, wanted: Iterable[tuple[str, LetterKind]], now: datetime) -> bool:
        """Record which organizations want notices of which kinds, and return whether that changed.

        If there are too many, those that came last get no notices, because nobody could tell since when.
        """
        begins = now.replace(microsecond=0)
        tags = dict.fromkeys((self._organization_tag(uid), kind.value) for uid, kind in wanted)
        since = {tag: self._since.get(tag, begins) for tag in tags}
        if _WISH.size * len(_grouped(since)) > MAX_WISHES:
            known = sorted(since.items(), key=lambda wish: wish[1])
            since = dict(known[: MAX_WISHES // _WISH.size])
        changed, self._since = since != self._since, since
        return changed

    def forget(self, now: datetime) -> bool:
        """Drop entries that no limit needs any more, and return whether there were any."""
        kept = {tag: entry for tag, entry in self._entries.items() if now - entry.at < _kept(entry)}
        changed, self._entries = len(kept) != len(self._entries), kept
        return changed

    def sent(self) -> Iterator[Entry]:
        """Yield the entries that count for limits."""
        return (entry for entry in self._entries.values() if any(entry.address))

    def room(self) -> int:
        """Return for how many letters there is room. Each may need two entries."""
        wishes = _WISHES.size + _WISH.size * len(_grouped(self._since))
        size = _HEAD.size + wishes + _FORMAT.size * len(self._entries)
        return (MAX_BYTES - size) // (2 * _FORMAT.size)

    def to_bytes(self) -> bytes:
        """Return the ledger as it is stored."""
        rows = [
            (one.letter, one.address, one.organization, _KINDS[one.kind], _DONE if one.done else one.tries, one.at)
            for one in self._entries.values()
        ]
        packed = (_FORMAT.pack(*row[:-1], int(row[-1].timestamp())) for row in rows)
        wishes = [_WISH.pack(tag, kinds, int(at.timestamp())) for (tag, at), kinds in _grouped(self._since).items()]
        head = _HEAD.pack(_MAGIC, _VERSION, int(self.began.timestamp())) + _WISHES.pack(len(wishes))
        return b"".join((head, *wishes, *packed))

    @classmethod
    def from_bytes(cls, key: bytes, content: bytes) -> "Ledger":
        """Read a stored ledger.

        Raises:
            LedgerError: it isn't one of this version or the one before.
        """
        if len(content) < _HEAD.size:
            raise LedgerError(f"{len(content)} bytes aren't a ledger")
        magic, version, began = _HEAD.unpack_from(content)
        if magic != _MAGIC or version not in (_FIRST_VERSION, _VERSION):
            raise LedgerError(f"it isn't a ledger of version {_VERSION}")
        ledger = cls(key, _moment(began))
        rows = content[_HEAD.size :] if version == _FIRST_VERSION else ledger._take_wishes(content[_HEAD.size :])
        if len(rows) % _FORMAT.size:
            raise LedgerError(f"{len(content)} bytes aren't a ledger")
        for letter, address, organization, kind, tries, at in _FORMAT.iter_unpack(rows):
            ledger._take(
                Entry(letter, address, organization, _name(kind), _moment(at), tries % _DONE, tries == _DONE), kind
            )
        return ledger

    def _take_wishes(self, content: bytes) -> bytes:
        """Read since when organizations have wanted notices, and return the rest."""
        begin = _WISHES.size
        end = begin + _WISH.size * (_WISHES.unpack_from(content)[0] if len(content) >= begin else 0)
        if not begin <= end <= len(content):
            raise LedgerError("its end is missing")
        for tag, kinds, at in _WISH.iter_unpack(content[begin:end]):
            for number, name in _NAMES.items():
                if kinds >> number & 1:
                    self._since[tag, name] = _moment(at)
        return content[end:]

    def _take(self, entry: Entry, kind: int) -> None:
        if kind >= _SINCE:
            self._since[entry.organization, entry.kind] = entry.at
        else:
            self._entries[entry.letter] = entry

    def _letter_tag(self, letter: Letter) -> bytes:
        return self._tag(f"letter\0{letter.id}\0{normalised(letter.address)}", 6)

    def _watermark(self, uid: str, kind: LetterKind, address: str) -> bytes:
        return self._tag(f"latest\0{uid}\0{kind.value}\0{normalised(address)}", 6)

    def _organization_tag(self, uid: str) -> bytes:
        return self._tag(f"organization\0{uid}", 5)

    def _tag(self, text: str, length: int) -> bytes:
        return hmac.digest(self._key, b"tenure ledger\0" + text.encode(), "sha256")[:length]


def _grouped(since: Mapping[tuple[bytes, str], datetime]) -> Mapping[tuple[bytes, datetime], int]:
    """Return the kinds of notices as bits, by organization and time. Most organizations switch on all at once."""
    kinds: dict[tuple[bytes, datetime], int] = defaultdict(int)
    for (tag, kind), at in since.items():
        kinds[tag, at] |= 1 << _KINDS[kind]
    return kinds


def _kept(entry: Entry) -> timedelta:
    if not any(entry.address):
        return KEPT_LATEST
    return KEPT_INVITATION if entry.kind in {RESEND, LetterKind.INVITED.value} else KEPT_NOTICE


def _place(letter: Letter) -> str:
    """Return the organization's address, because one that is created again has another uid."""
    return f"{letter.organization.namespace}/{letter.organization.name}"


def _name(kind: int) -> str:
    name = _NAMES.get(kind % _SINCE)
    if name is None:
        raise LedgerError(f"it has an entry of an unknown kind, {kind}")
    return name


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
