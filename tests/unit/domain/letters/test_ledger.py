"""The ledger: what it remembers, for how long, how large it gets, and that it holds no address."""

from dataclasses import replace
from datetime import timedelta

import pytest

from support.objects.builders import NOW
from support.objects.letters import ALL, KEY, SINCE, invitation_to, inviting, person
from tenure.domain.letters.due import wanted_notices
from tenure.domain.letters.ledger import KEPT_INVITATION, KEPT_LATEST, KEPT_NOTICE, MAX_BYTES, Ledger, LedgerError
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.letters.rates import Limits

ACME = inviting(notifications=ALL)
LETTER = invitation_to(person(), ACME)
UID = ACME.metadata.uid


def stored(ledger: Ledger, key: bytes = KEY) -> Ledger:
    """The ledger as another process reads it."""
    return Ledger.from_bytes(key, ledger.to_bytes())


def test_it_survives_a_restart() -> None:
    ledger = Ledger(KEY, SINCE)
    ledger.follow(wanted_notices(ACME), SINCE)
    ledger.claim(LETTER, NOW)
    ledger.tell(LETTER, NOW)
    again = stored(ledger)
    assert again.began == SINCE
    assert again.entry(LETTER) == ledger.entry(LETTER)
    assert again.told_at(LETTER.member.metadata.uid, LetterKind.INVITED, LETTER.address) == NOW
    assert again.since(UID, LetterKind.ROLE_CHANGED) == SINCE
    assert again.to_bytes() == ledger.to_bytes()
    ledger.finish(LETTER, NOW)
    entry = stored(ledger).entry(LETTER)
    assert entry is not None
    assert entry.done


def test_there_is_no_address_in_it_and_nobody_can_look_for_one_without_the_key() -> None:
    ledger = Ledger(KEY, SINCE)
    ledger.claim(LETTER, NOW)
    content = ledger.to_bytes()
    assert b"alice" not in content
    assert b"acme" not in content
    assert Ledger.from_bytes(b"another key", content).entry(LETTER) is None


def a_notice() -> Letter:
    return replace(LETTER, kind=LetterKind.KEYS_REVOKED)


@pytest.mark.parametrize(("letter", "kept"), [(LETTER, KEPT_INVITATION), (a_notice(), KEPT_NOTICE)])
def test_entries_are_forgotten_once_no_letter_needs_them(letter: Letter, kept: timedelta) -> None:
    ledger = Ledger(KEY, SINCE)
    ledger.claim(letter, NOW)
    assert not ledger.forget(NOW + kept - timedelta(seconds=1))
    assert ledger.entry(letter) is not None
    assert ledger.forget(NOW + kept)
    assert ledger.entry(letter) is None


def test_the_time_of_the_latest_letter_is_kept_longest_and_counts_for_no_limit() -> None:
    ledger, letter = Ledger(KEY, SINCE), a_notice()
    ledger.tell(letter, NOW)
    assert [*ledger.sent()] == []
    ledger.forget(NOW + KEPT_LATEST - timedelta(seconds=1))
    assert ledger.told_at(letter.member.metadata.uid, letter.kind, letter.address) == NOW
    assert ledger.forget(NOW + KEPT_LATEST)


def test_it_knows_since_when_notices_are_wanted() -> None:
    ledger = Ledger(KEY, SINCE)
    assert ledger.follow([(UID, LetterKind.ROLE_CHANGED)], NOW)
    assert not ledger.follow([(UID, LetterKind.ROLE_CHANGED)], NOW + timedelta(hours=1))
    assert ledger.since(UID, LetterKind.ROLE_CHANGED) == NOW
    assert ledger.since(UID, LetterKind.KEYS_EXPIRING) is None
    assert ledger.follow([], NOW)
    assert ledger.follow([(UID, LetterKind.ROLE_CHANGED)], NOW + timedelta(hours=2))
    assert ledger.since(UID, LetterKind.ROLE_CHANGED) == NOW + timedelta(hours=2), "it was switched off in between"


def test_organizations_beyond_the_bound_get_no_notices_and_letters_keep_their_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenure.domain.letters.ledger.MAX_WISHES", 10 * 4)
    ledger, later = Ledger(KEY, SINCE), NOW + timedelta(hours=1)
    kinds = (LetterKind.ROLE_CHANGED, LetterKind.KEYS_EXPIRING, LetterKind.KEYS_REVOKED)
    ledger.follow([(f"o{n}", kind) for n in range(4) for kind in kinds], NOW)
    assert len(ledger.to_bytes()) == 13 + 4 * 10, "one row of an organization, whatever it wants"
    ledger.follow([(f"o{n}", LetterKind.ROLE_CHANGED) for n in range(9, -1, -1)], later)
    assert [ledger.since(f"o{n}", LetterKind.ROLE_CHANGED) for n in range(4)] == [NOW] * 4
    assert [ledger.since(f"o{n}", LetterKind.ROLE_CHANGED) for n in range(4, 10)] == [None] * 6
    assert stored(ledger).to_bytes() == ledger.to_bytes()


def test_35_000_organizations_leave_half_of_the_room() -> None:
    ledger = Ledger(KEY, SINCE)
    room = ledger.room()
    ledger.follow([(str(n), kind) for n in range(40_000) for kind in (LetterKind.ROLE_CHANGED,)], NOW)
    assert ledger.room() >= room // 2 - 1


def test_a_ledger_of_the_first_version_is_read() -> None:
    entry = bytes(range(1, 18)) + b"\x00\xff" + int(NOW.timestamp()).to_bytes(4)
    now = Ledger(KEY, SINCE)
    now.follow([(UID, LetterKind.ROLE_CHANGED)], SINCE)
    tag = now.to_bytes()[13:18]
    wish = bytes(12) + tag + bytes([32 + 1, 0]) + int(SINCE.timestamp()).to_bytes(4)
    ledger = Ledger.from_bytes(KEY, b"TLDG\x01" + int(SINCE.timestamp()).to_bytes(4) + entry + wish)
    assert ledger.since(UID, LetterKind.ROLE_CHANGED) == SINCE
    (sent,) = ledger.sent()
    assert (sent.kind, sent.at, sent.done) == (LetterKind.INVITED, NOW, True)
    assert stored(ledger).to_bytes() == ledger.to_bytes()


def test_a_day_of_invitations_at_the_default_limit_fits() -> None:
    ledger = Ledger(KEY, SINCE)
    room = ledger.room()
    for number in range(100):
        ledger.claim(replace(LETTER, occasion=str(number)), NOW)
        ledger.tell(replace(LETTER, address=f"a{number}@acme.io"), NOW)
    assert ledger.room() == room - 100
    assert room > Limits().installation_an_hour * (KEPT_INVITATION / timedelta(hours=1))
    assert MAX_BYTES * 4 / 3 < 1024 * 1024, "the ConfigMap holds it in base64"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"TLDG",
        b"x" * 9,
        b"TLDG\x03" + bytes(8),
        b"TLDG\x01" + bytes(5),
        b"TLDG\x02" + bytes(4),
        b"TLDG\x02" + bytes(9),
        b"TLDG\x02" + bytes(4) + b"\xff" * 4 + bytes(10),
    ],
)
def test_what_is_no_ledger_is_refused(content: bytes) -> None:
    with pytest.raises(LedgerError):
        Ledger.from_bytes(KEY, content)


def test_an_entry_of_a_kind_that_a_newer_version_knows_is_refused() -> None:
    ledger = Ledger(KEY, SINCE)
    ledger.claim(LETTER, NOW)
    content = bytearray(ledger.to_bytes())
    content[13 + 17] = 9
    with pytest.raises(LedgerError, match="unknown kind, 9"):
        Ledger.from_bytes(KEY, bytes(content))
