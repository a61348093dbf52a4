"""How fast a verifier answers, beside the same server with an empty handler."""

import asyncio
import contextlib
import socket
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.asked import compare_times, decision_us, read_keys, request
from bench.figures import Deciding, Memory, Outcome, Verifying
from bench.operators import TENURE, Launcher, Operator
from bench.revoked import revoke
from bench.scenario import Bench, Scenario, Size
from bench.store import KEYS_PER_NAMESPACE, Store, former_token, stored
from bench.usage import Spent, Usage
from bench.wrk import Load, load
from tenure_dev import verifier
from tenure_dev.controlplane import free_ports
from tenure_dev.processes import Process

READY_WITHIN = 120.0
WARM_SECONDS = 2
ROUNDS = 7
ROUND_SECONDS = 2

UNRECORDED = Operator("no-usage", "without the record of use", ("--no-usage",))
"""The verifier that doesn't remember when keys were used."""
FORMER = Operator("former", "with a former token each", ())
"""The verifier, when all keys have a former token that is valid, and half of the requests have those."""
TWO = Operator("two", "two processes", ("--processes=2",))
EMPTY_SERVER = Operator("empty-server", "the same server, empty handler", ())

_EMPTY = Path(__file__).resolve().parent / "empty_server.py"


def verify(size: Size) -> Scenario:
    """The scenario."""
    count = -(-(1000 if size.quick else 10_000) // KEYS_PER_NAMESPACE)
    title = f"tokens verified, {count * KEYS_PER_NAMESPACE:,} keys known, the median of {ROUNDS} rounds"
    return Scenario("verify", title, lambda bench: _run(bench, count, quick=size.quick))


async def _run(bench: Bench, count: int, *, quick: bool) -> AsyncGenerator[Outcome]:
    """Load all contenders in turn, because the differences are smaller than those between two moments.

    Each verifier serves one half of the namespaces: those without former tokens, or those with.
    """
    store = Store(2 * count * KEYS_PER_NAMESPACE, rotated_namespaces=count)
    async with stored(bench, store), AsyncExitStack() as stack:
        first, second = ([store.namespace(number) for number in half] for half in _halves(count))
        plain, rotated = await read_keys(bench.api, first), await read_keys(bench.api, second)
        former = [request(one.namespace, former_token(one.namespace, one.name)) for one in rotated]
        requests = [request(one.namespace, one.token) for one in plain]
        contenders: list[_Contender] = []
        for operator in (TENURE, UNRECORDED, TWO, FORMER, EMPTY_SERVER):
            bench.tell(f"verify: start: {operator.label}")
            served = second if operator is FORMER else first
            asked = (
                [*(request(one.namespace, one.token) for one in rotated), *former] if operator is FORMER else requests
            )
            contenders.append(await stack.enter_async_context(_contender(bench.launcher, operator, served, asked)))
        await _take_turns(bench, contenders, quick=quick)
        for one in contenders:
            yield Outcome("verify", one.operator.name, one.figures(count * KEYS_PER_NAMESPACE))
        bench.tell("verify: decisions and their time")
        t, times = await compare_times(contenders[0].port, plain, 1000 if quick else 10_000)
        decision = await decision_us(bench.api, plain)
        yield Outcome("verify", TENURE.name, Deciding(count * KEYS_PER_NAMESPACE, decision, t, times))
        bench.tell("verify: role changes under full load")
        yield Outcome("verify", TWO.name, await revoke(bench, contenders[2], plain, 5 if quick else 50))


def _halves(count: int) -> tuple[range, range]:
    return range(count), range(count, 2 * count)


async def _take_turns(bench: Bench, contenders: Sequence["_Contender"], *, quick: bool) -> None:
    rounds = 2 if quick else ROUNDS
    for one in contenders:
        bench.tell(f"verify: {one.operator.label}, warm-up")
        await one.load(bench.launcher.folder, WARM_SECONDS)
    for number in range(1, rounds + 1):
        bench.tell(f"verify: round {number} of {rounds}")
        for one in contenders:
            await one.round(bench.launcher.folder)
    for one in contenders:
        bench.tell(f"verify: {one.operator.label}, at half of its rate")
        one.half = await one.load(bench.launcher.folder, 2 * ROUND_SECONDS, per_second=one.per_second / 2)


@dataclass
class _Contender:
    """A running server, and what was measured of it."""

    operator: Operator
    port: int
    requests: Sequence[bytes]
    usage: Usage
    rounds: list[tuple[Load, Spent]] = field(default_factory=list)
    half: Load | None = None

    @property
    def per_second(self) -> float:
        """The median of the rounds' requests per second."""
        return statistics.median(load.per_second for load, _ in self.rounds)

    async def load(self, folder: Path, seconds: int, per_second: float = 0.0) -> Load:
        """Send requests, as fast as they are answered or at about a rate."""
        return await load(self.port, self.requests, folder, seconds=seconds, per_second=per_second)

    async def round(self, folder: Path) -> None:
        """Load it once at full speed."""
        before = self.usage.spent()
        full = await self.load(folder, ROUND_SECONDS)
        self.rounds.append((full, self.usage.spent() - before))

    def figures(self, keys: int) -> Verifying:
        """What all rounds say."""
        half = self.half or self.rounds[-1][0]
        # Other programs on the machine only add to the CPU time, so the least of it says the most.
        cpu = [spent.operator * 1e6 / max(load.per_second * ROUND_SECONDS, 1) for load, spent in self.rounds]
        return Verifying(
            keys=0 if self.operator is EMPTY_SERVER else keys,
            requests_per_second=self.per_second,
            p50_ms=half.p50_ms,
            p99_ms=half.p99_ms,
            half_per_second=half.per_second,
            failures=half.failures + sum(load.failures for load, _ in self.rounds),
            cpu_us=min(cpu),
            memory=Memory(peak=self.usage.peak(0.0) / 1e6, end=self.usage.sample().rss / 1e6),
            others_percent=statistics.median(spent.others_percent for _, spent in self.rounds),
        )


@asynccontextmanager
async def _contender(
    launcher: Launcher, operator: Operator, namespaces: Sequence[str], requests: Sequence[bytes]
) -> AsyncIterator[_Contender]:
    (port,) = free_ports(1)
    arguments: Sequence[str] = ("-m", "bench.empty_server", str(port))
    if operator is not EMPTY_SERVER:
        options = () if operator in (TENURE, FORMER) else operator.arguments
        served = [f"--namespace={namespace}" for namespace in namespaces]
        arguments = (*verifier.command(port)[1:], "--log-format", "json", *options, *served)
    process = launcher.process(TENURE, arguments, {"PYTHONPATH": str(_EMPTY.parents[1])})
    process.log = process.log.with_name(f"verify-{operator.name}.log")
    process.start()
    try:
        if operator is EMPTY_SERVER:
            await _until(process, lambda: _listens(port))
        else:
            await _until(process, lambda: verifier.READY_LINE in process.log.read_text(errors="replace"))
        usage = Usage(process.pid)
        try:
            yield _Contender(operator, port, requests, usage)
        finally:
            usage.stop()
    finally:
        process.stop()


async def _until(process: Process, check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not check():
        if time.monotonic() > deadline or not process.running:
            raise process.failure(f"isn't ready after {READY_WITHIN:.0f} s")
        await asyncio.sleep(0.1)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
