"""The record of use of one verifier: the latest minute of each key, and nothing that grows."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tenure.verifier import usage
from tenure.verifier.usage import UsageRecord, unite

MORNING = datetime(2027, 2, 22, 8, 30, 17, tzinfo=UTC).timestamp()
MINUTE, DAY = 60.0, 86_400.0


class Clock:
    """A clock that a test sets."""

    now = MORNING

    def __call__(self) -> float:
        return self.now


def keys(record: UsageRecord, namespace: str = "", since: int = 0) -> Any:
    return record.read(namespace, since)["keys"]


def test_it_has_the_latest_minute_of_each_key() -> None:
    record = UsageRecord(clock := Clock())
    record.note("a", "acme")
    clock.now += 3 * MINUTE
    record.note("b", "globex")
    record.note("b", "globex")
    assert record.read("", 0)["recordedSince"] == "2027-02-22T08:30:17Z"
    assert keys(record) == {"a": "2027-02-22T08:30:00Z", "b": "2027-02-22T08:33:00Z"}
    assert keys(record, "acme") == {"a": "2027-02-22T08:30:00Z"}
    assert keys(record, "other") == {}


def test_from_a_cursor_on_nothing_is_missed() -> None:
    record = UsageRecord(clock := Clock())
    record.note("before", "acme")
    clock.now += MINUTE
    cursor = record.read("", 0)["cursor"]
    record.note("in the same minute", "acme")
    clock.now += MINUTE
    record.note("later", "acme")
    assert isinstance(cursor, str)
    assert set(keys(record, since=int(cursor))) == {"in the same minute", "later"}


def test_what_is_older_than_two_days_is_forgotten() -> None:
    record = UsageRecord(clock := Clock())
    record.note("a", "acme")
    clock.now += DAY
    record.note("b", "acme")
    clock.now += 1.5 * DAY
    assert set(keys(record)) == {"b"}


def test_too_many_keys_of_the_past_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MOST_KEYS", 10)
    record = UsageRecord(clock := Clock())
    for number in range(10):
        record.note(f"old {number}", "acme")
    clock.now += 2 * 60 * MINUTE
    record.note("new", "acme")
    assert set(keys(record)) == {"new"}
    assert record.read("", 0)["recordedSince"] == "2027-02-22T08:30:17Z"


def test_too_many_keys_at_once_begin_the_record_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MOST_KEYS", 10)
    record = UsageRecord(clock := Clock())
    clock.now += MINUTE
    for number in range(11):
        record.note(f"key {number}", "acme")
    assert keys(record) == {}
    assert record.read("", 0)["recordedSince"] == "2027-02-22T08:31:17Z", "whoever reads it sees that it lost uses"


def test_the_records_of_all_processes_are_one() -> None:
    clock = Clock()
    first = UsageRecord(clock)
    first.note("both", "acme")
    first.note("only one", "acme")
    clock.now += 2 * MINUTE
    second = UsageRecord(clock)
    second.note("both", "acme")
    clock.now += MINUTE
    earlier = {**second.read("", 0), "cursor": first.read("", 0)["cursor"]}
    clock.now += MINUTE
    united = unite([first.read("", 0), earlier])
    assert united["keys"] == {"both": "2027-02-22T08:32:00Z", "only one": "2027-02-22T08:30:00Z"}
    assert united["recordedSince"] == "2027-02-22T08:32:17Z", "before that, a use of the later process is unknown"
    assert united["cursor"] == earlier["cursor"], "what the slower one may not have told yet is asked for again"
