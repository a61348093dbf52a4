"""What the verifiers' silence means: nothing for a moment, then unknown, and a gap if uses were lost."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from support.objects.builders import NOW
from tenure.domain.usage.coverage import Coverage, Knowledge, Reply

MINUTE = timedelta(minutes=1)
START = NOW - timedelta(days=3)
A, B = "http://10.0.0.1:8080", "http://10.0.0.2:8080"


def reply(began: timedelta = timedelta()) -> Reply:
    return Reply(START + began, "7", {})


Rounds = list[tuple[float, Mapping[str, Reply | None]]]
"""Each round: the minute, and the replies."""

BOTH = {A: reply(), B: reply()}
B_SILENT = {A: reply(), B: None}
DAY = 24 * 60.0
B_ANEW = {A: reply(), B: reply(timedelta(days=3, minutes=4))}
REPLACED = {A: reply(), "http://10.0.0.3:8080": reply(timedelta(days=3, minutes=4))}


def after(rounds: Rounds) -> Coverage:
    coverage = Coverage(NOW, 15 * MINUTE)
    for minute, replies in rounds:
        coverage = coverage.after(replies, NOW + minute * MINUTE)
    return coverage


@pytest.mark.parametrize(
    ("rounds", "minute", "knowledge"),
    [
        pytest.param([], 1, Knowledge.STARTING, id="no round yet"),
        pytest.param([(0, B_SILENT)], 14, Knowledge.STARTING, id="one is slow to start"),
        pytest.param([(0, B_SILENT), (16, B_SILENT)], 16, Knowledge.UNKNOWN, id="one never answers"),
        pytest.param([(0, {})], 16, Knowledge.UNKNOWN, id="none is found"),
        pytest.param([(0, BOTH)], 5, Knowledge.KNOWN, id="all answer"),
        pytest.param([(0, BOTH), (5, B_SILENT), (10, B_SILENT)], 15, Knowledge.KNOWN, id="one misses a few rounds"),
        pytest.param([(0, BOTH), (16, B_SILENT)], 16, Knowledge.UNKNOWN, id="one is silent for long"),
        pytest.param([(0, BOTH), (16, {})], 16, Knowledge.UNKNOWN, id="none is found any more"),
        pytest.param([(0, BOTH), (16, B_SILENT), (20, BOTH)], 20, Knowledge.KNOWN, id="it answers again"),
        pytest.param([(0, BOTH), (16, B_SILENT), (20, {A: reply()})], 20, Knowledge.KNOWN, id="it is gone"),
    ],
)
def test_use_is_known_only_while_every_verifier_answers(rounds: Rounds, minute: float, knowledge: Knowledge) -> None:
    assert after(rounds).knowledge(NOW + minute * MINUTE) is knowledge


@pytest.mark.parametrize(
    ("rounds", "lost"),
    [
        pytest.param([(0, BOTH), (5, BOTH)], False, id="all answer"),
        pytest.param([(0, BOTH), (5, B_ANEW)], False, id="a restart between two rounds"),
        pytest.param([(0, BOTH), (5, REPLACED)], False, id="another pod in its place"),
        pytest.param([(0, BOTH), (5, B_SILENT), (60, BOTH)], False, id="silent, with its record"),
        pytest.param([(0, BOTH), (5, {}), (60, BOTH)], False, id="not found, with its record"),
        pytest.param([(0, BOTH), (5, B_SILENT), (60, B_ANEW)], True, id="silent, and then with a new record"),
        pytest.param([(0, BOTH), (5, B_SILENT), (60, REPLACED)], True, id="silent, and then gone"),
        pytest.param([(0, B_SILENT), (60, B_ANEW)], False, id="slow to start"),
        pytest.param([(0, B_SILENT), (60, {A: reply()})], True, id="never answered, and gone"),
        pytest.param([(0, BOTH), (5, B_SILENT), (2.5 * DAY, BOTH)], True, id="silent longer than it remembers"),
        pytest.param([(0, B_SILENT), (2.5 * DAY, BOTH)], True, id="unreachable longer than it remembers"),
        pytest.param([(0, BOTH), (600, BOTH)], False, id="the leader slept, and the verifiers didn't"),
        pytest.param([(0, BOTH), (600, REPLACED)], True, id="the leader slept, and a verifier was replaced"),
    ],
)
def test_uses_that_nobody_read_are_a_gap(rounds: Rounds, *, lost: bool) -> None:
    assert after(rounds).lost_at == (NOW + rounds[-1][0] * MINUTE if lost else None)


def test_a_verifier_is_asked_for_what_is_new() -> None:
    coverage = after([(0, BOTH), (5, {A: Reply(START, "12", {}), B: None})])
    assert {address: one.cursor for address, one in coverage.replicas.items()} == {A: "12", B: "7"}
