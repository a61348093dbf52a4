"""The record of keys: it misses those that vanish, also while no process ran."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from random import Random
from string import ascii_letters
from typing import NamedTuple

import pytest

from support.objects.builders import NOW, api_key, issued, membership, with_status
from support.objects.letters import ALL, due, inviting, person
from tenure.domain.letters.letter import LetterKind
from tenure.domain.letters.record import MAX_BYTES, KeyRecord, RecordError
from tenure.domain.letters.revoked import GRACE, NOTICE_LIFE
from tenure.domain.resources import ApiKey

ACME = inviting(mode="None", notifications=ALL)
HOUR = timedelta(hours=1)
LAPTOP = issued(api_key("laptop", description="my laptop", ttl="2160h"), membership(), ACME)
PHONE = issued(api_key("phone"), membership(), ACME)
RAISED = with_status(api_key("laptop", revision=2), LAPTOP.status)


def restarted(record: KeyRecord) -> KeyRecord:
    """The record as another process reads it."""
    return KeyRecord.from_bytes(record.to_bytes())


def after(*keys: ApiKey, record: KeyRecord, namespaces: Iterable[str] = ("acme",), hours: int = 0) -> Sequence[str]:
    """Compare the record with keys, and return the names of all that vanished."""
    record.compare(keys, set(namespaces), NOW + hours * HOUR)
    return [one.api_key.name for one in record.gone]


def recorded(*keys: ApiKey) -> KeyRecord:
    """A record of keys that was stored, and read by another process."""
    record = KeyRecord()
    record.compare(keys, {"acme"}, NOW)
    return restarted(record)


class Seen(NamedTuple):
    """What a process finds after a restart, and which keys vanished meanwhile."""

    gone: list[str]
    now: Sequence[ApiKey]
    before: Sequence[ApiKey] = (LAPTOP, PHONE)


SEEN = {
    "nothing changed": Seen([], (LAPTOP, PHONE)),
    "one was deleted": Seen(["laptop"], (PHONE,)),
    "all were": Seen(["laptop", "phone"], ()),
    "a raised revision, not yet issued": Seen(["laptop"], (RAISED, PHONE)),
    "a raised revision, issued": Seen(["laptop"], (issued(RAISED, membership(), ACME), PHONE)),
    "another one of the same name": Seen(["laptop"], (issued(api_key("laptop", uid="u2"), membership(), ACME), PHONE)),
    "a rotation": Seen([], (with_status(LAPTOP, LAPTOP.status.model_copy(update={"key_id": "new"})), PHONE)),
    "a new one": Seen([], (LAPTOP, PHONE), before=(LAPTOP,)),
    "one that was never issued": Seen([], (), before=(api_key("laptop"),)),
    "one whose revision was raised before": Seen([], (), before=(RAISED,)),
}


@pytest.mark.parametrize("row", SEEN.values(), ids=SEEN)
def test_a_key_that_vanished_while_no_process_ran_is_missed(row: Seen) -> None:
    assert list(after(*row.now, record=recorded(*row.before))) == row.gone


def test_the_letter_of_such_a_key_is_due_and_says_what_it_said_before() -> None:
    record = recorded(LAPTOP)
    after(record=record)
    (gone,) = restarted(record).gone
    assert (gone.at, gone.api_key.spec.description) == (NOW, "my laptop")
    assert gone.api_key.status.key_id == LAPTOP.status.key_id
    found = due(ACME, person(created=NOW - timedelta(days=9)), gone=[gone], now=NOW + GRACE)
    assert found == [("alice", LetterKind.KEYS_REVOKED)]
    changed = person(generation=2, created=NOW - timedelta(days=9))
    assert due(ACME, changed, gone=[gone], now=NOW + GRACE) == [], "a role change revoked it, and has its own letter"


def test_a_key_is_missed_once_and_forgotten_after_two_days() -> None:
    record = recorded(LAPTOP)
    assert after(record=record) == ["laptop"]
    assert after(record=restarted(record), hours=1) == ["laptop"]
    assert after(record=restarted(record), hours=int(NOTICE_LIFE / HOUR)) == []


def test_keys_of_an_organization_that_is_gone_or_wants_no_letters_any_more_are_forgotten() -> None:
    record = recorded(LAPTOP)
    assert after(LAPTOP, record=record, namespaces=()) == []
    assert after(record=record) == []


def test_what_vanished_is_stored_at_once_and_a_new_key_not_more_often_than_the_size_allows() -> None:
    record = KeyRecord()
    record.compare([], {"acme"}, NOW)
    assert not record.should_store(NOW), "an installation that wants no such letters gets no ConfigMap"
    record.compare([LAPTOP], {"acme"}, NOW)
    assert record.should_store(NOW)
    record.stored(bytes(MAX_BYTES), NOW)
    record.compare([LAPTOP, PHONE], {"acme"}, NOW)
    assert not record.should_store(NOW + timedelta(seconds=59))
    assert record.should_store(NOW + timedelta(seconds=60))
    record.compare([PHONE], {"acme"}, NOW)
    assert record.should_store(NOW)


def test_it_has_a_bound_and_keeps_what_vanished_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenure.domain.letters.record.MAX_BYTES", 150_000)
    random = Random(1)

    def key(number: int) -> ApiKey:
        noise = "".join(random.choices(ascii_letters, k=120))
        return issued(api_key(f"key-{number:04}", uid=f"{number:032x}", description=noise), membership(), ACME)

    keys = [key(number) for number in range(1_500)]
    record = KeyRecord()
    record.compare(keys, {"acme"}, NOW)
    record.compare(keys[:-1], {"acme"}, NOW)
    content = record.to_bytes()
    assert len(content) <= 150_000
    again = KeyRecord.from_bytes(content)
    again.compare([], {"acme"}, NOW)
    assert again.gone[0].api_key.name == "key-1499"
    assert 500 < len(again.gone) < 1_500


def test_there_is_no_hash_in_it() -> None:
    (gone,) = after_all(recorded(LAPTOP))
    assert LAPTOP.status.hash not in (None, gone.status.hash)
    assert gone.status.secret_uid == "-"


def after_all(record: KeyRecord) -> list[ApiKey]:
    record.compare([], {"acme"}, NOW)
    return [one.api_key for one in record.gone]


@pytest.mark.parametrize("content", [b"", b"no record", recorded(LAPTOP).to_bytes()[:-9]])
def test_what_is_no_record_is_an_error(content: bytes) -> None:
    with pytest.raises(RecordError):
        KeyRecord.from_bytes(content)
