"""What a page of the console costs."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping

import aiohttp

from bench.figures import Memory, Outcome, Pages, percentile
from bench.load import create_at_once
from bench.operators import TENURE, Operator
from bench.scenario import Bench, Scenario, Size
from bench.tenancy import Tenancy, tenancy
from bench.usage import Usage
from tenure_dev.processes import Process

MANY = Operator("console-many", "with 2,000 members", ())
"""The console of a large organization, whose members are on several pages."""

_PEOPLE = {TENURE: 200, MANY: 2000}
_VIEWS = 60
_WARM = 5
_POLL_SECONDS = 0.1
_READY_WITHIN = 60.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/[\w-]{43}/")


def console(size: Size) -> Scenario:
    """The scenario."""
    people = {TENURE: _PEOPLE[TENURE]} if size.quick else _PEOPLE
    title = f"first page of members in the console, {_PEOPLE[TENURE]} members"
    return Scenario("console", title, lambda bench: _run(bench, people))


async def _run(bench: Bench, people: Mapping[Operator, int]) -> AsyncGenerator[Outcome]:
    for operator, number in people.items():
        async with tenancy(bench.api, members=number) as place:
            bench.tell(f"console: {number:,} members with a key each")
            await create_at_once(bench.api, place, number)
            yield Outcome("console", operator.name, await _view(bench, place, number))


async def _view(bench: Bench, place: Tenancy, members: int) -> Pages:
    process = bench.launcher.process(TENURE, ("-m", "tenure", "console", f"--namespace={place.namespace}"), {})
    before = process.log.stat().st_size if process.log.exists() else 0
    process.start()
    usage = Usage(process.pid)
    try:
        page = f"{await _address(process, before)}{place.namespace}/members/"
        async with aiohttp.ClientSession() as session:
            for _ in range(_WARM):
                await _open(session, page)
            idle = usage.spent()
            answers = [await _open(session, page) for _ in range(_VIEWS)]
            spent = usage.spent() - idle
        memory = Memory(usage.peak(0.0) / 1e6, usage.sample().rss / 1e6)
    finally:
        usage.stop()
        process.stop()
    return Pages(
        members=members,
        page_bytes=max(size for _, size in answers),
        cpu_ms=spent.operator * 1000 / _VIEWS,
        p50_ms=percentile([ms for ms, _ in answers], 50),
        p99_ms=percentile([ms for ms, _ in answers], 99),
        others_percent=spent.others_percent,
        memory=memory,
    )


async def _open(session: aiohttp.ClientSession, page: str) -> tuple[float, int]:
    """Open a page, and return how many milliseconds that took, and its size in bytes."""
    began = time.perf_counter()
    async with session.get(page) as answer:
        size = len(await answer.read())
        answer.raise_for_status()
    return (time.perf_counter() - began) * 1000, size


async def _address(process: Process, before: int) -> str:
    """Return the address that the console prints into its log, after so many bytes of former ones."""
    deadline = time.monotonic() + _READY_WITHIN
    while not (found := _ADDRESS.findall(process.log.read_bytes()[before:].decode())):
        if not process.running or time.monotonic() > deadline:
            raise process.failure("printed no address")
        await asyncio.sleep(_POLL_SECONDS)
    return str(found[-1])
