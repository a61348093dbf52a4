"""A start beside many keys that wait for their first token, with the webhooks in the same process."""

import asyncio
import contextlib
import functools
import itertools
import json
import math
import re
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from bench.api import MERGE_PATCH, Api, RequestFailedError, collection
from bench.figures import Backlog, Latency, Memory, Outcome, percentile
from bench.load import create_at_once
from bench.observer import Observer, is_gone, is_ready
from bench.operators import TENURE, Operator
from bench.scenario import Bench, Scenario, Size
from bench.store import Store, stored
from bench.tenancy import Tenancy, change_role, tenancy
from tenure_dev import webhooks
from tenure_dev.controlplane import free_ports
from tenure_dev.processes import Process

ISSUED = 20
"""Number of keys of the member whose role changes meanwhile."""
MEMBERS = 5
"""Each has as many, and their roles change one after the other, far apart."""
_WATCHING_WITHIN = 600.0
_ISSUED_WITHIN = 1800.0
_REVOKED_WITHIN = 60.0
_PAUSE_SECONDS = 1.0
_POLL_SECONDS = 0.25
_REVIEW_PAUSE_SECONDS = 0.1
_CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{webhooks.NAMESPACE}/leases/tenure-controller"
_DELAY = re.compile(r'^tenure_event_loop_delay_seconds_bucket\{.*?le="([^"]+)"\} (\S+)$', re.MULTILINE)


def backlog(size: Size) -> Scenario:
    """The scenario."""
    keys = size.of(30_000, small=1000)
    return Scenario("backlog", f"start beside {keys:,} waiting keys", functools.partial(_run, keys=keys))


@dataclass
class Seen:
    """What was seen while the backlog was worked off."""

    reviews: list[float] = field(default_factory=list)
    """Milliseconds of each dry-run of a role change, from the client's side."""
    rejected: int = 0
    renewals: list[datetime] = field(default_factory=list)
    revoked: list[float] = field(default_factory=list)
    """Seconds until the Secrets of a member were gone, for each role change."""


async def _run(bench: Bench, *, keys: int) -> AsyncGenerator[Outcome]:
    async with tenancy(bench.api, members=MEMBERS) as place:
        bench.tell("backlog: Tenure issues the keys that will be revoked")
        async with bench.launcher.running(TENURE) as process:
            async with Observer(bench.api, place.keys, is_ready) as ready:
                await create_at_once(bench.api, place, MEMBERS * ISSUED)
                await ready.require(MEMBERS * ISSUED, within=_ISSUED_WITHIN)
            await process.settled(2.5)
        async with stored(bench, Store(keys, issued=False)):
            bench.tell(f"backlog: {keys:,} keys wait")
            yield Outcome("backlog", TENURE.name, await _start(bench, place, keys))


async def _start(bench: Bench, place: Tenancy, keys: int) -> Backlog:
    port, webhook_port = free_ports(2)
    options = ("--leader-election", "--system-namespace", webhooks.NAMESPACE, "--health-port", str(port))
    address = ("--webhook-host", "127.0.0.1", "--webhook-port", str(webhook_port))
    operator = Operator(TENURE.name, TENURE.label, (*TENURE.arguments, *options, *address))
    seen = Seen()
    async with (
        _registered(bench.api, webhook_port),
        _probed(bench.launcher.folder, port) as answers,
        _meanwhile(_renewals(bench.api, seen), _reviews(bench.api, place, seen), _role_changes(bench.api, place, seen)),
        bench.launcher.running(operator, within=_WATCHING_WITHIN) as process,
    ):
        watching = time.time() - process.started_at
        issued = await process.issued(keys, within=_ISSUED_WITHIN)
        seconds = time.time() - process.started_at
        await _first(seen)
        spent = process.spent_since(process.first())
        return Backlog(
            keys=keys,
            issued=issued,
            watching_seconds=watching,
            keys_per_second=issued / seconds,
            health=Latency.of(answers()),
            reviews=Latency.of(seen.reviews),
            reviews_rejected=seen.rejected,
            renewal_gap_seconds=max((b - a).total_seconds() for a, b in itertools.pairwise(seen.renewals)),
            revocations=len(seen.revoked),
            revoked_seconds=percentile(seen.revoked, 50),
            revoked_most_seconds=max(seen.revoked, default=math.nan),
            loop_delays=await _loop_delays(port),
            cpu_seconds=spent.operator,
            others_percent=spent.others_percent,
            memory=Memory(process.usage.peak(0) / 1e6, process.usage.sample().rss / 1e6),
        )


@asynccontextmanager
async def _registered(api: Api, port: int) -> AsyncIterator[None]:
    """Have the webhooks registered while the block runs. There is no Lease from a run before."""
    for path, body in (
        ("/api/v1/namespaces", {"metadata": {"name": webhooks.NAMESPACE}}),
        (_CONFIGURATION, webhooks.configuration(port)),
    ):
        with contextlib.suppress(RequestFailedError):  # The namespace is there from a scenario before.
            await api.send("POST", path, body)
    with contextlib.suppress(RequestFailedError):
        await api.send("DELETE", _LEASE)
    try:
        yield
    finally:
        await api.send("DELETE", f"{_CONFIGURATION}/tenure")


@asynccontextmanager
async def _probed(folder: Path, port: int) -> AsyncIterator[Callable[[], list[float]]]:
    """Ask for the health while the block runs. The block gets a function that returns what each answer took, in ms."""
    log = folder / "prober.log"
    log.unlink(missing_ok=True)
    process = Process("prober", [sys.executable, "-m", "bench.prober", str(port)], log=log).start()
    try:
        yield lambda: [json.loads(line)[2] for line in log.read_text().splitlines() if line.endswith("]")]
    finally:
        process.stop()


@asynccontextmanager
async def _meanwhile(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this while the block runs."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _renewals(api: Api, seen: Seen) -> None:
    """Note each renewal of the Lease, by the leader's own clock."""
    while True:
        with contextlib.suppress(RequestFailedError):  # It isn't there yet.
            renewed = datetime.fromisoformat((await api.get(_LEASE))["spec"]["renewTime"])
            if not seen.renewals or seen.renewals[-1] != renewed:
                seen.renewals.append(renewed)
        await asyncio.sleep(_POLL_SECONDS)


async def _reviews(api: Api, place: Tenancy, seen: Seen) -> None:
    """Ask for a role change in a dry-run again and again, once the webhooks answer, and note what each takes."""
    path = f"{collection(place.namespace, 'memberships')}/{place.members[-1]}?dryRun=All"
    while True:
        asked = time.monotonic()
        try:
            await api.send("PATCH", path, {"spec": {"role": "Analyst"}}, MERGE_PATCH)
            seen.reviews.append((time.monotonic() - asked) * 1000)
        except RequestFailedError:
            seen.rejected += bool(seen.reviews)
        await asyncio.sleep(_REVIEW_PAUSE_SECONDS)


async def _role_changes(api: Api, place: Tenancy, seen: Seen) -> None:
    """Change one member's role after the other, as soon as the process leads and so works off the backlog."""
    while not seen.renewals or not seen.reviews:  # noqa: ASYNC110 - the event is the server's
        await asyncio.sleep(_POLL_SECONDS)
    async with Observer(api, place.secrets, is_gone) as gone:
        for number, member in enumerate(place.members, start=1):
            changed = await change_role(api, place, member, "Viewer")
            await gone.reached(number * ISSUED, within=_ISSUED_WITHIN)
            seen.revoked.append(time.monotonic() - changed)
            await asyncio.sleep(_PAUSE_SECONDS)


async def _first(seen: Seen) -> None:
    """Wait for the first revocation, which may have waited behind all keys."""
    deadline = time.monotonic() + _REVOKED_WITHIN
    while not seen.revoked and time.monotonic() < deadline:  # noqa: ASYNC110 - the event is the server's
        await asyncio.sleep(_POLL_SECONDS)


async def _loop_delays(port: int) -> dict[str, int]:
    """The number of delays of the event loop up to each bound in seconds, as the process counts them."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        found = _DELAY.findall(await answer.text())
    return {bound: int(float(count)) for bound, count in found}
