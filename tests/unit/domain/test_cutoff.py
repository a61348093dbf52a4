"""Which keys were issued before a moment: by the stamp, never by luck."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.objects.builders import (
    CREATED,
    ISSUED,
    NOW,
    api_key,
    issued,
    membership,
    organization,
    rotated,
    with_status,
)
from tenure.domain.cutoff import CLOCKS_DIFFER, Age, Cutoff
from tenure.domain.moments import parse_moment
from tenure.domain.resources import ApiKey

SECOND = timedelta(seconds=1)


def key(at: datetime = ISSUED, **changes: Any) -> ApiKey:
    return issued(api_key(**changes), membership(), organization(), at=at)


def without(api_key: ApiKey, **status: Any) -> ApiKey:
    return with_status(api_key, api_key.status.model_copy(update=status))


def age(api_key: ApiKey, moment: datetime, now: datetime = NOW) -> Age:
    return Cutoff.of(moment, now).judge(api_key)[0]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2027-02-22T08:30:00Z", datetime(2027, 2, 22, 8, 30, tzinfo=UTC), id="UTC"),
        pytest.param("2027-02-22t08:30:00z", datetime(2027, 2, 22, 8, 30, tzinfo=UTC), id="lower case"),
        pytest.param("2027-02-22T10:30:00+02:00", datetime(2027, 2, 22, 8, 30, tzinfo=UTC), id="another zone"),
        pytest.param("2027-02-22T08:30:00.5Z", datetime(2027, 2, 22, 8, 30, 0, 500000, tzinfo=UTC), id="a fraction"),
        pytest.param("2h", timedelta(hours=2), id="how long ago"),
        pytest.param("0s", timedelta(), id="now"),
    ],
)
def test_a_moment_is_read(text: str, moment: datetime | timedelta) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2d", "-2h", "2h\n", "1771749000", "2027-02-22", "2027-02-22T08:30:00", "08:30:00Z"),
        *("2027-02-30T08:30:00Z", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_anything_else_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="for example 2027-02-22T08:30:00Z, or how long ago, for example 2h"):
        parse_moment(text)


def test_a_moment_that_is_still_to_come_is_refused() -> None:
    assert Cutoff.of(NOW, NOW).moment == NOW
    with pytest.raises(ValueError, match="2027-02-22T08:30:02Z is in the future"):
        Cutoff.of(NOW + 2 * SECOND, NOW)


def test_the_second_of_the_moment_is_ended_with_it() -> None:
    """Times of issue are cut off to whole seconds, so in doubt a key of that second ends."""
    assert age(key(ISSUED), ISSUED) is Age.NONE
    assert age(key(ISSUED), ISSUED + timedelta(microseconds=1)) is Age.BEFORE
    cutoff = Cutoff.of(timedelta(), ISSUED)
    assert (cutoff.moment, cutoff.judge(key(ISSUED))[0]) == (ISSUED + SECOND, Age.BEFORE)


@given(st.integers(-(10**6), 10**6))
def test_a_key_is_ended_exactly_if_it_was_issued_before(seconds: int) -> None:
    moment = ISSUED + seconds * SECOND
    # A token is never older than its ApiKey.
    expected = Age.BEFORE if moment > max(ISSUED, CREATED) else Age.NONE
    assert age(key(), moment) is expected


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"suspended": True}, id="suspended"),
        pytest.param({"for_role": "Viewer"}, id="waits for another role"),
        pytest.param({"revision": 2}, id="to be replaced"),
        pytest.param({"expires_at": "2027-01-05T00:00:00Z"}, id="expired"),
    ],
)
def test_what_could_work_again_is_ended_too(status: dict[str, Any]) -> None:
    assert age(key(**status), NOW) is Age.BEFORE


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param(without(key(), secret_uid=None, secret_name=None), id="ended, or a tombstone"),
        pytest.param(key(deleting=True), id="being deleted"),
        pytest.param(api_key(status={"observedGeneration": 1}), id="waits, never issued"),
        pytest.param(api_key(created=NOW), id="younger than the moment"),
        pytest.param(key(at=NOW + 9 * CLOCKS_DIFFER, created=NOW), id="younger, whatever its status says"),
    ],
)
def test_what_has_no_such_token_stays(ended: ApiKey) -> None:
    assert Cutoff.of(NOW, NOW).judge(ended) == (Age.NONE, "")


@pytest.mark.parametrize(
    ("unclear", "doubt"),
    [
        pytest.param(without(key(), issued=None), "names a Secret but has no time of issue", id="no time of issue"),
        pytest.param(
            key(at=NOW + CLOCKS_DIFFER + SECOND), "2027-02-22T08:31:01Z, is in the future", id="in the future"
        ),
        pytest.param(api_key(), "hasn't reconciled its latest change", id="not looked at"),
        pytest.param(
            without(key(generation=2), secret_uid=None, observed_generation=1),
            "hasn't reconciled its latest change",
            id="changed since",
        ),
    ],
)
def test_what_can_not_be_told_is_said(unclear: ApiKey, doubt: str) -> None:
    found, said = Cutoff.of(NOW, NOW).judge(unclear)
    assert found is Age.UNCLEAR
    assert doubt in said


AHEAD = timedelta(seconds=20)


@pytest.mark.parametrize(
    "ahead",
    [
        pytest.param(key(at=NOW + AHEAD), id="its token"),
        pytest.param(key(at=NOW + AHEAD, created=NOW + AHEAD), id="it is as new as its token"),
        pytest.param(key(at=NOW, created=NOW + AHEAD), id="only the ApiKey"),
        pytest.param(key(at=NOW + CLOCKS_DIFFER), id="as far as clocks may differ"),
    ],
)
def test_no_time_ago_means_every_token_by_whichever_clock(ahead: ApiKey) -> None:
    """With two API servers, the one that is asked may be behind the one that has just stamped a key."""
    assert Cutoff.of(timedelta(), NOW).judge(ahead) == (Age.BEFORE, "")


def test_no_time_ago_leaves_what_has_no_token_and_names_what_tenure_has_not_looked_at() -> None:
    cutoff = Cutoff.of(timedelta(), NOW)
    assert cutoff.judge(api_key(status={"observedGeneration": 1}, created=NOW + AHEAD))[0] is Age.NONE
    assert cutoff.judge(api_key(created=NOW + AHEAD))[0] is Age.UNCLEAR


@pytest.mark.parametrize(
    ("ago", "at", "expected"),
    [
        pytest.param(timedelta(), AHEAD, Age.UNCLEAR, id="may have been before"),
        pytest.param(timedelta(seconds=30), AHEAD, Age.UNCLEAR, id="may have been before, with a moment that is over"),
        pytest.param(timedelta(seconds=40), AHEAD, Age.NONE, id="surely since: no clock is so far ahead"),
        pytest.param(
            timedelta(seconds=30), timedelta(seconds=-10), Age.NONE, id="by a clock that isn't seen to be ahead"
        ),
    ],
)
def test_an_instant_and_a_time_of_issue_by_a_clock_that_is_ahead(ago: timedelta, at: timedelta, expected: Age) -> None:
    judged, doubt = Cutoff.of(NOW - ago, NOW).judge(key(at=NOW + at))
    assert judged is expected
    assert ("2027-02-22T08:30:20Z, is later than the API server's clock, 2027-02-22T08:30:00Z" in doubt) == (
        expected is Age.UNCLEAR
    )


def test_a_new_token_is_told_from_the_one_that_was_meant() -> None:
    cutoff, meant = Cutoff.of(timedelta(), NOW), key(at=NOW)
    later = key(at=cutoff.moment + AHEAD)
    anew = without(later, hash="sha256:another")
    assert cutoff.has_other_token(anew, meant)
    assert not cutoff.has_other_token(later, meant)
    assert not cutoff.has_other_token(without(key(at=NOW), hash="sha256:another"), meant)


@pytest.mark.parametrize("other", [{"announced": "F" * 12}, {"former": "F" * 12}], ids=["announced", "former"])
def test_any_token_that_was_issued_before_counts(other: dict[str, Any]) -> None:
    moment = ISSUED + timedelta(hours=1)
    new = key(at=moment)
    assert age(new, moment) is Age.NONE
    assert age(rotated(new, at=ISSUED, **other), moment) is Age.BEFORE
    assert age(rotated(new, at=moment, **other), moment) is Age.NONE


def test_a_key_that_kept_one_of_its_tokens_has_no_other_one() -> None:
    cutoff, meant = Cutoff.of(timedelta(), NOW), key(at=NOW)
    later = without(key(at=cutoff.moment + AHEAD), hash="sha256:another")
    assert cutoff.has_other_token(later, meant)
    kept = rotated(later, former="F" * 12, at=cutoff.moment + AHEAD)
    assert not cutoff.has_other_token(kept, rotated(meant, former="F" * 12))
