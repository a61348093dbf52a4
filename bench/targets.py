"""What Tenure is meant to reach, shown beside what it reached; a benchmark never fails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.admission import WARNS
from bench.figures import (
    Admission,
    ColdStart,
    Deciding,
    Issuing,
    Outcome,
    Pages,
    Revoking,
    RoleChange,
    Start,
    Verifying,
)
from bench.operators import PEER, PLAIN, ROTATION, TENURE, VERIFIER, Operator
from bench.verify import EMPTY_SERVER, TWO, UNRECORDED

WRITES_PER_KEY = 2.0
WRITES_PER_ROTATION = 3.0
GETS_PER_KEY = 1.0
TIMES_PLAIN = 3.5
TIMES_PEER = 1.0
CPU_TIMES_PEER = 2.0
STEADY_P99_MS = 50.0
ROLE_CHANGE_SECONDS = 3.0
COLD_START_SECONDS = 8.0
COLD_START_MB = 200.0
ADMISSION_P99_MS = 25.0
OF_EMPTY_SERVER = 0.6
TWO_PROCESSES = 1.7
REVOKED_P99_MS = 50.0
DECISION_US = 20.0
USAGE_PERCENT = 3.0
VERIFIER_MB = 200.0
WELCH_T = 4.5
PAGE_MS = 100.0
PAGE_KB = 100.0
MOST_KEYS = 100_000
"""Beside at most so many keys, a start has to meet its targets."""
START_SECONDS = 30.0
START_MB = {TENURE.name: 512.0, VERIFIER.name: 400.0}


@dataclass(frozen=True)
class Target:
    """A target, and whether the figures meet it."""

    scenario: str
    what: str
    wanted: str
    measured: str
    met: bool


def targets(outcomes: Sequence[Outcome]) -> Iterator[Target]:
    """Compare Tenure's figures with the targets; scenarios that didn't run have none."""
    for outcome in outcomes:
        yield from _of_variants(outcome)
        if outcome.operator == TENURE.name:
            yield from _of_tenure(outcome, outcomes)


def _of_tenure(outcome: Outcome, outcomes: Sequence[Outcome]) -> Iterator[Target]:
    match outcome.figures:
        case Issuing() as figures:
            yield from _of_issuing(outcome.scenario, figures, _issuing(outcomes, outcome.scenario, PLAIN))
            yield from _beside_peer(outcome.scenario, figures, _issuing(outcomes, outcome.scenario, PEER))
        case RoleChange() as figures:
            yield _at_most(outcome.scenario, "last Secret gone, s", figures.secrets_seconds, ROLE_CHANGE_SECONDS)
        case Verifying() as figures:
            yield from _of_verifying(outcome.scenario, figures, _verifying(outcomes, EMPTY_SERVER))
            yield from _of_two(outcome.scenario, figures, _verifying(outcomes, TWO))
            yield from _of_recording(outcome.scenario, figures, _verifying(outcomes, UNRECORDED))
        case Deciding() as figures:
            yield _at_most(outcome.scenario, "a decision, µs", figures.decision_us, DECISION_US)
            yield _at_most(outcome.scenario, "unknown id or wrong secret, |t|", abs(figures.welch_t), WELCH_T)
        case Pages() as figures:
            yield _at_most(outcome.scenario, "CPU for a page, ms", figures.cpu_ms, PAGE_MS)
            yield _at_most(outcome.scenario, "answer, p50, ms", figures.p50_ms, PAGE_MS)
            yield _at_most(outcome.scenario, "size of a page, kB", figures.page_bytes / 1000, PAGE_KB)
        case ColdStart() as figures:
            yield from _of_cold_start(outcome.scenario, figures)


def _of_variants(outcome: Outcome) -> Iterator[Target]:
    """The targets of what isn't Tenure with its defaults."""
    if outcome.operator == WARNS.name and isinstance(outcome.figures, Admission):
        yield _at_most(outcome.scenario, "judgement, p99, ms", outcome.figures.own_p99_ms, ADMISSION_P99_MS)
    if outcome.operator == ROTATION.name and isinstance(outcome.figures, Issuing):
        yield _writes(outcome.scenario, "writes per rotation", outcome.figures, WRITES_PER_ROTATION)
    if isinstance(outcome.figures, Revoking):
        yield _at_most(
            outcome.scenario, "rejected after a role change, p99, ms", outcome.figures.p99_ms, REVOKED_P99_MS
        )
    if isinstance(outcome.figures, Start):
        yield from _of_start(outcome.scenario, outcome.operator, outcome.figures)


def _of_start(scenario: str, operator: str, figures: Start) -> Iterator[Target]:
    if operator not in START_MB or figures.keys > MOST_KEYS:
        return
    what = f"{operator}, {figures.keys:,} keys"
    yield _at_most(scenario, f"{what}: ready, s", figures.ready_seconds, START_SECONDS)
    yield _at_most(scenario, f"{what}: writes", figures.calls.writes, 0)
    yield _at_most(scenario, f"{what}: resident memory, MB", figures.memory.peak, START_MB[operator])


def _of_issuing(scenario: str, figures: Issuing, plain: Issuing | None) -> Iterator[Target]:
    yield _writes(scenario, "writes per key", figures, WRITES_PER_KEY)
    yield _at_most(scenario, "reads per key", figures.calls.gets / max(figures.issued, 1), GETS_PER_KEY)
    if scenario == "burst" and plain is not None:
        times = figures.keys_per_second / plain.keys_per_second
        yield Target(scenario, "keys/s, times plain Kopf", f"≥ {TIMES_PLAIN}", f"{times:.2f}", times >= TIMES_PLAIN)
    if scenario == "steady":
        yield _at_most(scenario, "p99 latency, ms", figures.p99_ms, STEADY_P99_MS)


def _beside_peer(scenario: str, figures: Issuing, peer: Issuing | None) -> Iterator[Target]:
    if peer is not None:
        cpu, speed = figures.cpu.operator / peer.cpu.operator, figures.keys_per_second / peer.keys_per_second
        yield _at_most(scenario, "CPU per key, times an operator in Go", cpu, CPU_TIMES_PEER)
        wanted = f"≥ {TIMES_PEER:g}"
        yield Target(scenario, "keys/s, times an operator in Go", wanted, f"{speed:.2f}", speed >= TIMES_PEER)


def _writes(scenario: str, what: str, figures: Issuing, wanted: float) -> Target:
    writes = (figures.calls.secret_writes + figures.calls.key_writes) / max(figures.issued, 1)
    return Target(scenario, what, f"{wanted:.2f}", f"{writes:.2f}", round(writes, 2) == wanted)


def _of_cold_start(scenario: str, figures: ColdStart) -> Iterator[Target]:
    seconds = float("inf") if figures.quiet_seconds is None else figures.quiet_seconds
    yield _at_most(scenario, "start until quiet, s", seconds, COLD_START_SECONDS)
    yield _at_most(scenario, "writes", figures.calls.writes, 0)
    yield _at_most(scenario, "resident memory, MB", figures.memory.peak, COLD_START_MB)


def _of_verifying(scenario: str, figures: Verifying, empty: Verifying | None) -> Iterator[Target]:
    if empty is not None:
        share = figures.requests_per_second / empty.requests_per_second
        wanted = f"≥ {OF_EMPTY_SERVER:g}"
        yield Target(scenario, "requests/s, of an empty handler's", wanted, f"{share:.2f}", share >= OF_EMPTY_SERVER)
    yield _at_most(scenario, "resident memory, MB", figures.memory.peak, VERIFIER_MB)


def _of_two(scenario: str, figures: Verifying, two: Verifying | None) -> Iterator[Target]:
    if two is not None:
        # It takes two cores that are free, beside that of the load.
        times = two.requests_per_second / figures.requests_per_second
        wanted = f"≥ {TWO_PROCESSES:g}"
        yield Target(
            scenario, "requests/s with two processes, times one", wanted, f"{times:.2f}", times >= TWO_PROCESSES
        )


def _of_recording(scenario: str, figures: Verifying, unrecorded: Verifying | None) -> Iterator[Target]:
    if unrecorded is not None:
        # By CPU time, because the requests in a second vary by more than this from run to run.
        cost = 100 * (figures.cpu_us / unrecorded.cpu_us - 1)
        yield _at_most(scenario, "CPU per answer that the record of use costs, %", cost, USAGE_PERCENT)


def _verifying(outcomes: Sequence[Outcome], operator: Operator) -> Verifying | None:
    for outcome in outcomes:
        if outcome.operator == operator.name and isinstance(outcome.figures, Verifying):
            return outcome.figures
    return None


def _at_most(scenario: str, what: str, measured: float, most: float) -> Target:
    return Target(scenario, what, f"≤ {most:g}", f"{measured:.2f}", measured <= most)


def _issuing(outcomes: Sequence[Outcome], scenario: str, operator: Operator) -> Issuing | None:
    for outcome in outcomes:
        if (outcome.scenario, outcome.operator) == (scenario, operator.name) and isinstance(outcome.figures, Issuing):
            return outcome.figures
    return None
