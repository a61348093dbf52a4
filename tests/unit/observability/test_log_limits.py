"""At most one line a minute for each cause, and none is lost from the count."""

import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.errors import ConflictError, ForbiddenError, MalformedObjectError, UnavailableError
from tenure.observability.log_limits import MOST_CAUSES, LineLimiter, cause_of, warn_once_a_minute

log = logging.getLogger("tenure.test")


@given(st.lists(st.tuples(st.floats(0, 90), st.sampled_from("ab"))))
def test_lines_of_a_cause_are_a_minute_apart_and_all_are_counted(steps: list[tuple[float, str]]) -> None:
    limiter, now = LineLimiter(), 0.0
    written: dict[str, list[tuple[float, int]]] = {"a": [], "b": []}
    since = {"a": 0, "b": 0}
    for pause, cause in steps:
        now += pause
        held_back = limiter.admit(cause, now)
        if held_back is None:
            since[cause] += 1
        else:
            assert held_back == since[cause]
            written[cause].append((now, held_back))
            since[cause] = 0
    for lines in written.values():
        assert all(later - earlier >= 60 for (earlier, _), (later, _) in pairwise(lines))


def test_a_bounded_number_of_causes_is_remembered() -> None:
    limiter = LineLimiter()
    assert all(limiter.admit(cause, 0.0) == 0 for cause in range(MOST_CAUSES + 1))
    assert limiter.admit(1, 1.0) is None
    assert limiter.admit(0, 1.0) == 0, "the oldest is forgotten"


def test_the_next_line_says_how_many_were_held_back(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter((0.0, 1.0, 2.0, 61.0))
    monkeypatch.setattr("tenure.observability.log_limits.time.monotonic", lambda: next(moments))
    for name in "abcd":
        warn_once_a_minute(log, "refused", "%s: no answer", name)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "a: no answer",
        "d: no answer (2 more like this since the last such line)",
    ]


def test_an_outage_is_one_cause_and_errors_of_objects_are_many() -> None:
    assert cause_of(UnavailableError("GET a", status=503), "a") == cause_of(
        UnavailableError("PATCH b", status=503), "b"
    )
    assert cause_of(UnavailableError("GET a", status=503)) != cause_of(UnavailableError("GET a"))
    assert cause_of(ForbiddenError("a", status=403), "a") == cause_of(ForbiddenError("b", status=403), "b")
    assert cause_of(ConflictError("a", status=409), "a") != cause_of(ConflictError("b", status=409), "b")
    assert cause_of(MalformedObjectError("a"), "a") != cause_of(MalformedObjectError("b"), "b")
