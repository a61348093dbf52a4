"""The scenarios; each gives every operator a fresh namespace and a fresh process, one after the other."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import product

from bench.admission import PER_SECOND, judge
from bench.api import Api
from bench.backlog import backlog
from bench.console import console
from bench.figures import (
    Background,
    Calls,
    ColdStart,
    Cpu,
    Figures,
    Issuing,
    Limit,
    Memory,
    Outcome,
    RoleChange,
    percentile,
)
from bench.load import Created, create_at_once, create_steadily, rotate_at_once, write_as_an_operator_would
from bench.observer import Observer, is_gone, is_ready, is_rotated
from bench.operators import BARE, EMPTY, PEER, PLAIN, ROTATION, SHARED, SWEEPING, TENURE, Mark, Operator, Run
from bench.scale import scale
from bench.scenario import Bench, Scenario, Size
from bench.tenancy import Tenancy, change_role, tenancy
from bench.verify import verify

LONGEST_SECONDS = 180.0
"""How long a scenario's keys are waited for; what isn't done by then is reported as not done."""
PREPARATION_SECONDS = 900.0
"""The same for keys that are only there for what is measured next."""
SETTLED_SECONDS = 2.5
"""Silence after which the sums in other objects' status are written, too: they wait for the end of a burst."""
QUIET_SECONDS = 1.0
STEADY_RATE = 50
KEYS_PER_JUDGED_MEMBER = 5
ROUNDS = 3
MEDIAN = f", the median of {ROUNDS} rounds"
BACKGROUND_SECONDS = 20.0


@dataclass(frozen=True)
class Load:
    """Keys to create: at once, or so many a second."""

    keys: int
    members: int
    per_second: float | None = None


def scenarios(size: Size) -> Sequence[Scenario]:
    """All scenarios, in small where it must be quick."""
    quick = size.quick
    small, large = (100, 300) if quick else (500, 5000)
    steady, ended, present, judged = (5, 100, 300, 100) if quick else (20, 1000, 10000, 1000)
    both = (TENURE, PLAIN)
    return (
        _issuing("burst", f"{small:,} keys at once", Load(small, 10), contenders=(*both, SHARED, PEER), rounds=ROUNDS),
        _issuing("large-burst", f"{large:,} keys at once", Load(large, 50), contenders=both),
        _issuing(
            "steady",
            f"{STEADY_RATE} keys/s for {steady} s",
            Load(STEADY_RATE * steady, 10, STEADY_RATE),
            contenders=both,
        ),
        Scenario("limit", f"{small:,} keys, written by a client that decides nothing", lambda b: _limit(b, small)),
        Scenario("rotation", f"{ended:,} keys issued and rotated at once", lambda b: _rotations(b, ended)),
        Scenario("role-change", f"role change of a member with {ended:,} keys", lambda b: _role_changes(b, ended)),
        Scenario(
            "admission", f"role changes, {PER_SECOND} a second, {judged:,} members", lambda b: _admissions(b, judged)
        ),
        verify(size),
        Scenario("cold-start", f"start with {present:,} issued keys present", lambda b: _cold_starts(b, present)),
        *scale(size),
        console(size),
        backlog(size),
    )


def _issuing(name: str, title: str, load: Load, *, contenders: Sequence[Operator], rounds: int = 1) -> Scenario:
    async def run(bench: Bench) -> AsyncGenerator[Outcome]:
        present = [operator for operator in contenders if operator.is_there]
        found: dict[str, list[Issuing]] = {operator.name: [] for operator in present}
        for number, operator in product(range(1, rounds + 1), present):
            bench.tell(f"{name}: {operator.label}, round {number} of {rounds}")
            async with tenancy(bench.api, members=load.members) as place, bench.launcher.running(operator) as process:
                await process.settled(SETTLED_SECONDS)
                found[operator.name].append(await _issue(bench.api, process, place, load))
        for operator in present:
            by_speed = sorted(found[operator.name], key=lambda figures: figures.keys_per_second)
            yield Outcome(name, operator.name, by_speed[rounds // 2])

    return Scenario(name, f"{title}, {load.members} members{MEDIAN if rounds > 1 else ''}", run)


async def _issue(api: Api, process: Run, place: Tenancy, load: Load) -> Issuing:
    async with Observer(api, place.keys, is_ready) as ready:
        mark = process.mark()
        if load.per_second is None:
            created = await create_at_once(api, place, load.keys)
        else:
            created = await create_steadily(api, place, load.keys, per_second=load.per_second)
        await ready.reached(load.keys, within=LONGEST_SECONDS)
        busy = process.spent_since(mark)
        await process.settled(SETTLED_SECONDS)
    cpu = Cpu.of(process.spent_since(mark), len(ready.moments), busy=busy)
    return _issuing_figures(process, mark, created, ready.moments, cpu=cpu, members=load.members)


def _issuing_figures(
    process: Run, mark: Mark, created: Created, ready: dict[str, float], *, cpu: Cpu, members: int
) -> Issuing:
    issued = len(ready)
    latencies = [(moment - created.answered[name]) * 1000 for name, moment in ready.items()]
    seconds = max(ready.values(), default=time.monotonic()) - created.begun
    return Issuing(
        keys=len(created.answered),
        issued=issued,
        members=members,
        seconds=seconds,
        keys_per_second=issued / seconds,
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
        cpu=cpu,
        memory=_memory(process, mark),
        calls=Calls.of(process.since(mark)),
    )


async def _rotations(bench: Bench, keys: int) -> AsyncGenerator[Outcome]:
    async with tenancy(bench.api, members=10) as place, bench.launcher.running(TENURE) as process:
        await process.settled(SETTLED_SECONDS)
        bench.tell("rotation: first issues")
        yield Outcome("rotation", TENURE.name, await _issue(bench.api, process, place, Load(keys, 10)))
        bench.tell("rotation: all keys")
        yield Outcome("rotation", ROTATION.name, await _rotate(bench.api, process, place, keys))


async def _rotate(api: Api, process: Run, place: Tenancy, keys: int) -> Issuing:
    async with Observer(api, place.keys, is_rotated) as rotated:
        mark = process.mark()
        asked = await rotate_at_once(api, place, keys)
        await rotated.reached(keys, within=PREPARATION_SECONDS)
        busy = process.spent_since(mark)
        await process.settled(SETTLED_SECONDS)
    cpu = Cpu.of(process.spent_since(mark), len(rotated.moments), busy=busy)
    return _issuing_figures(process, mark, asked, rotated.moments, cpu=cpu, members=len(place.members))


async def _limit(bench: Bench, keys: int) -> AsyncGenerator[Outcome]:
    bench.tell("limit")
    async with tenancy(bench.api, members=10) as place:
        seconds = await write_as_an_operator_would(bench.api, place, keys)
    yield Outcome("limit", BARE.name, Limit(keys, keys / seconds))


async def _role_changes(bench: Bench, keys: int) -> AsyncGenerator[Outcome]:
    for operator in (TENURE, PLAIN):
        bench.tell(f"role-change: {operator.label} issues the keys")
        async with tenancy(bench.api, members=1) as place, bench.launcher.running(operator) as process:
            async with Observer(bench.api, place.keys, is_ready) as ready:
                await create_at_once(bench.api, place, keys)
                await ready.require(keys, within=PREPARATION_SECONDS)
            await process.settled(SETTLED_SECONDS)
            bench.tell(f"role-change: {operator.label}")
            yield Outcome("role-change", operator.name, await _change_role(bench.api, process, place, keys))


async def _change_role(api: Api, process: Run, place: Tenancy, keys: int) -> RoleChange:
    async with Observer(api, place.secrets, is_gone) as secrets, Observer(api, place.keys, is_gone) as objects:
        mark = process.mark()
        changed = await change_role(api, place, place.members[0], "Viewer")
        await secrets.reached(keys, within=LONGEST_SECONDS)
        await objects.reached(keys, within=LONGEST_SECONDS)
        busy = process.spent_since(mark)
        await process.settled(SETTLED_SECONDS)
    return RoleChange(
        keys=keys,
        secrets_gone=len(secrets.moments),
        secrets_seconds=max(secrets.moments.values(), default=time.monotonic()) - changed,
        keys_gone=len(objects.moments),
        keys_seconds=max(objects.moments.values(), default=time.monotonic()) - changed,
        cpu=Cpu.of(process.spent_since(mark), keys, busy=busy),
        memory=_memory(process, mark),
        calls=Calls.of(process.since(mark)),
    )


async def _admissions(bench: Bench, members: int) -> AsyncGenerator[Outcome]:
    keys = members * KEYS_PER_JUDGED_MEMBER
    async with tenancy(bench.api, members=members) as place:
        bench.tell(f"admission: Tenure issues {keys:,} keys")
        async with bench.launcher.running(TENURE) as process:
            async with Observer(bench.api, place.keys, is_ready) as ready:
                await create_at_once(bench.api, place, keys)
                await ready.require(keys, within=PREPARATION_SECONDS)
            await process.settled(SETTLED_SECONDS)
        bench.tell("admission")
        async with contextlib.aclosing(judge(bench.api, bench.launcher, place, members // PER_SECOND)) as found:
            async for operator, figures in found:
                yield Outcome("admission", operator.name, figures)


async def _cold_starts(bench: Bench, keys: int) -> AsyncGenerator[Outcome]:
    async with tenancy(bench.api, members=50) as place:
        bench.tell(f"cold-start: Tenure issues {keys:,} keys")
        async with bench.launcher.running(TENURE) as process:
            async with Observer(bench.api, place.keys, is_ready) as ready:
                await create_at_once(bench.api, place, keys)
                await ready.require(keys, within=PREPARATION_SECONDS)
            await process.settled(SETTLED_SECONDS)
        starts: list[tuple[Operator, Callable[[Run, int], Awaitable[Figures]]]] = [
            (TENURE, _cold_start),
            (EMPTY, _cold_start),
            (SWEEPING, _background),
        ]
        for operator, measure in starts:
            bench.tell(f"cold-start: {operator.label}")
            async with bench.launcher.running(operator) as process:
                yield Outcome("cold-start", operator.name, await measure(process, keys))


async def _cold_start(process: Run, keys: int) -> ColdStart:
    quiet_at = await process.quiet(QUIET_SECONDS)
    first = process.first()
    spent = process.spent_since(first)
    return ColdStart(
        keys=keys,
        quiet_seconds=None if quiet_at is None else quiet_at - process.started_at,
        cpu_seconds=spent.operator,
        others_percent=spent.others_percent,
        memory=_memory(process, first),
        calls=Calls.of(process.since(first)),
    )


async def _background(process: Run, keys: int) -> Background:
    """What the sweep at its default pace costs once the start is over."""
    await asyncio.sleep(BACKGROUND_SECONDS)
    mark = process.mark()
    await asyncio.sleep(BACKGROUND_SECONDS)
    calls, spent = Calls.of(process.since(mark)), process.spent_since(mark)
    return Background(
        keys=keys,
        seconds=BACKGROUND_SECONDS,
        cpu_percent=spent.operator * 100 / BACKGROUND_SECONDS,
        gets_per_second=calls.gets / BACKGROUND_SECONDS,
        writes=calls.writes,
        others_percent=spent.others_percent,
        memory=_memory(process, mark),
    )


def _memory(process: Run, mark: Mark) -> Memory:
    end = process.usage.sample()
    return Memory(peak=process.usage.peak(mark.spent.at) / 1e6, end=end.rss / 1e6)
