"""When the API server counts as away, when it is probed, and how fast work resumes."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.kube.breaker import (
    FAILURES,
    FIRST_RATE,
    FULL_RATE,
    LONGEST_PAUSE_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    RECOVERY_SECONDS,
    TRUST_SECONDS,
    Breaker,
    Loop,
    Phase,
)

Step = Callable[[Breaker], None]


def fail(at: float = 0.0) -> Step:
    return lambda breaker: breaker.fail(at)


def throttle(flow: str = "ours", at: float = 0.0, retry_after: float | None = None) -> Step:
    return lambda breaker: breaker.throttle(at, flow, retry_after)


def succeed(flow: str = "") -> Step:
    return lambda breaker: breaker.succeed(flow)


def fail_probe(at: float = 0.0, retry_after: float | None = None) -> Step:
    return lambda breaker: breaker.fail_probe(at, retry_after)


def pass_probe(at: float = 0.0) -> Step:
    return lambda breaker: breaker.pass_probe(at)


def after(*steps: Step) -> Breaker:
    breaker = Breaker(chance=lambda: 1.0)
    for step in steps:
        step(breaker)
    return breaker


DOUBT = [fail()] * FAILURES
AWAY = [*DOUBT, fail_probe()]


@pytest.mark.parametrize(
    ("steps", "phase", "probe_at"),
    [
        pytest.param([], Phase.CLOSED, None, id="at first"),
        pytest.param([fail()] * (FAILURES - 1), Phase.CLOSED, None, id="a few failures"),
        pytest.param([*[fail()] * (FAILURES - 1), succeed(), fail()], Phase.CLOSED, None, id="not in a row"),
        pytest.param(DOUBT, Phase.CLOSED, 0.0, id="failures in a row are a doubt, and requests go on"),
        pytest.param([*DOUBT, pass_probe()], Phase.CLOSED, None, id="an object that always fails"),
        pytest.param([*DOUBT, pass_probe(), *DOUBT], Phase.CLOSED, None, id="it goes on, soon after the probe"),
        pytest.param(
            [*DOUBT, pass_probe(), *[fail(TRUST_SECONDS)] * FAILURES], Phase.CLOSED, TRUST_SECONDS, id="it goes on"
        ),
        pytest.param(AWAY, Phase.OPEN, 1.0, id="away"),
        pytest.param([*AWAY, fail(), succeed()], Phase.OPEN, 1.0, id="requests from before say nothing"),
        pytest.param([*AWAY, fail_probe(1.0)], Phase.OPEN, 3.0, id="the pause grows"),
        pytest.param([*AWAY, *[fail_probe(1.0)] * 9], Phase.OPEN, 1.0 + LONGEST_PAUSE_SECONDS, id="but not for ever"),
        pytest.param([*AWAY, fail_probe(1.0, 30.0)], Phase.OPEN, 31.0, id="Retry-After"),
        pytest.param([*DOUBT, fail_probe(0.0, 30.0)], Phase.OPEN, 30.0, id="Retry-After of the first probe"),
        pytest.param(
            [*AWAY, fail_probe(1.0, 1e9)], Phase.OPEN, 1 + LONGEST_RETRY_AFTER_SECONDS, id="an absurd Retry-After"
        ),
        pytest.param([throttle()] * (FAILURES - 1), Phase.CLOSED, None, id="throttled a few times"),
        pytest.param([throttle()] * FAILURES, Phase.OPEN, 1.0, id="a flow is throttled"),
        pytest.param([throttle(), succeed("other")] * FAILURES, Phase.OPEN, 1.0, id="while another one isn't"),
        pytest.param([throttle(), succeed("ours")] * FAILURES, Phase.CLOSED, None, id="throttled now and then"),
        pytest.param([throttle(str(n)) for n in range(9)], Phase.CLOSED, None, id="nine flows, each once"),
        pytest.param([throttle(retry_after=9.0)] * FAILURES, Phase.OPEN, 9.0, id="throttled with Retry-After"),
        pytest.param(
            [*[throttle()] * FAILURES, throttle(retry_after=9.0)], Phase.OPEN, 9.0, id="Retry-After of a late answer"
        ),
        pytest.param([*AWAY, pass_probe()], Phase.RECOVERING, None, id="back"),
        pytest.param([*AWAY, pass_probe(), *[fail(1.0)] * FAILURES], Phase.RECOVERING, 1.0, id="a doubt again"),
        pytest.param(
            [*AWAY, pass_probe(), *[throttle(at=1.0)] * FAILURES], Phase.OPEN, 3.0, id="too early, so the pause grows"
        ),
    ],
)
def test_states(steps: Sequence[Step], phase: Phase, probe_at: float | None) -> None:
    breaker = after(*steps)
    assert (breaker.phase(1.0), breaker.probe_at) == (phase, probe_at)
    assert breaker.is_open == (phase is Phase.OPEN) == (breaker.away_since is not None)


def test_it_is_closed_at_the_end_of_the_recovery() -> None:
    breaker = after(*AWAY, pass_probe())
    assert breaker.phase(RECOVERY_SECONDS - 0.1) is Phase.RECOVERING
    assert breaker.phase(RECOVERY_SECONDS) is Phase.CLOSED
    assert breaker.turn(RECOVERY_SECONDS, Loop.WORK) == 0.0


def test_work_waits_while_it_is_open_and_resumes_at_a_growing_rate() -> None:
    breaker = after(*AWAY)
    assert breaker.turn(0.0, Loop.WORK) is None
    breaker.pass_probe(0.0)
    turns = [breaker.turn(0.0, Loop.WORK) for _ in range(2000)]
    begun = [sum(turn < second for turn in turns if turn is not None) for second in range(1, 9)]
    rates = [later - earlier for earlier, later in pairwise(begun)]
    assert begun[0] <= 2 * FIRST_RATE
    assert rates == sorted(rates)
    assert rates[-1] < FULL_RATE
    assert breaker.turn(0.0, Loop.WATCH) == 0.0, "watches don't wait for 2,000 objects"


def test_not_all_processes_probe_at_the_same_moment() -> None:
    moments = []
    for chance in (0.0, 0.5, 1.0):
        breaker = Breaker(chance=lambda chance=chance: chance)  # type: ignore[misc]
        for step in AWAY:
            step(breaker)
        moments.append(breaker.probe_at)
    assert len(set(moments)) == len(moments)


EVENTS = st.lists(
    st.tuples(st.floats(0, 4), st.sampled_from(["fail", "succeed", "throttle", "probe fails", "probe passes", "turn"]))
)


@given(EVENTS, st.floats(0, 1))
def test_whatever_happens(events: Sequence[tuple[float, str]], chance: float) -> None:
    """It opens only by a probe or a throttled flow, and while it is open, a probe is due within the longest pause."""
    breaker, now = Breaker(chance=lambda: chance), 0.0
    turns: list[float] = []
    for pause, event in events:
        now += pause
        was = breaker.phase(now)
        match event:
            case "fail":
                breaker.fail(now)
                assert breaker.phase(now) is was
            case "succeed":
                breaker.succeed("ours")
                assert breaker.phase(now) is was
            case "throttle":
                breaker.throttle(now, "ours", None)
            case "turn" if (turn := breaker.turn(now, Loop.WORK)) is not None:
                assert was is not Phase.OPEN
                turns.append(now + turn)
            case "probe fails" if breaker.probe_at is not None:
                breaker.fail_probe(now, None)
                assert breaker.is_open
            case "probe passes" if breaker.probe_at is not None:
                breaker.pass_probe(now)
                assert not breaker.is_open
        if breaker.is_open:
            assert breaker.turn(now, Loop.WORK) is None
            assert breaker.probe_at is not None
            assert breaker.probe_at - now <= LONGEST_PAUSE_SECONDS
    assert all(math.isfinite(turn) for turn in turns)
