"""What Tenure costs beside many issued keys: memory, a start, a standby's turn, and what it does at rest."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator, Sequence

from bench.api import API_VERSION, Api, collection
from bench.figures import Background, Calls, Memory, Outcome, Start, Takeover
from bench.operators import ACCOUNTS, LEADER, STANDBY, SWEEPING, TENURE, VERIFIER, Run
from bench.owners import owners
from bench.scenario import Bench, Scenario, Size
from bench.store import Store, stored
from tenure.kube.names import ELECTION_LEASE
from tenure_dev.controlplane import free_ports

USUAL_KEYS = 10_000
SMALLER = (1_000, 10_000)
"""Sizes that are measured before the one that was asked for, for the table of `docs/operations/sizing.md`."""

_QUIET_SECONDS = 2.0
_WITHIN = 240.0
_REST_SECONDS = 20.0
_SWEEP_BEGINS_SECONDS = 12.0
_LEASE_SECONDS = 15.0
_POLL_SECONDS = 0.1
_LOOPBACK = ("--verifier-host", "127.0.0.1", "--verifier-port")


def scale(size: Size) -> Sequence[Scenario]:
    """A scenario for each size, the last of them the one that was asked for."""
    keys = size.of(USUAL_KEYS, small=1000)
    return [_scenario(count, last=count == keys) for count in sorted({keys, *(one for one in SMALLER if one < keys)})]


def _scenario(keys: int, *, last: bool) -> Scenario:
    return Scenario("scale", f"{keys:,} issued keys", lambda bench: _run(bench, Store(keys), last=last))


async def _run(bench: Bench, store: Store, *, last: bool) -> AsyncGenerator[Outcome]:
    async with stored(bench, store):
        (port,) = free_ports(1)
        verifier = dataclasses.replace(VERIFIER, arguments=(*VERIFIER.arguments, *_LOOPBACK, str(port)))
        for operator in (TENURE, verifier):
            bench.tell(f"scale: {operator.label} starts beside {store.keys:,} keys")
            async with bench.launcher.running(operator, within=_WITHIN) as process:
                yield Outcome("scale", operator.name, await _start(process, store))
        if last:
            yield Outcome("scale", TENURE.name, await owners(bench.api, store.namespace(0)))
            bench.tell("scale: a leader is killed")
            yield Outcome("scale", STANDBY.name, await _take_over(bench, store))
            bench.tell("scale: at rest, with the sweep")
            async with bench.launcher.running(SWEEPING, within=_WITHIN) as process:
                yield Outcome("scale", SWEEPING.name, await _rest(process, store))


async def _start(process: Run, store: Store) -> Start:
    quiet_at = await process.quiet(_QUIET_SECONDS, within=_WITHIN)
    ready_at = process.ready_at() or time.time()
    first = process.first()
    spent = process.spent_since(first)
    return Start(
        keys=store.keys,
        members=store.namespaces * store.members_in_namespace,
        ready_seconds=ready_at - process.started_at,
        ready_cpu=process.usage.cpu_at(ready_at),
        quiet_seconds=None if quiet_at is None else quiet_at - process.started_at,
        cpu_seconds=spent.operator,
        others_percent=spent.others_percent,
        memory=_memory(process),
        calls=Calls.of(process.since(first)),
    )


async def _rest(process: Run, store: Store) -> Background:
    """What the sweep at its default pace costs once the start is over."""
    await process.idle(_QUIET_SECONDS, within=_REST_SECONDS * 3)
    await asyncio.sleep(_SWEEP_BEGINS_SECONDS)
    mark = process.mark()
    await asyncio.sleep(_REST_SECONDS)
    calls, spent = Calls.of(process.since(mark)), process.spent_since(mark)
    return Background(
        keys=store.keys,
        seconds=_REST_SECONDS,
        cpu_percent=spent.operator * 100 / _REST_SECONDS,
        gets_per_second=calls.gets / _REST_SECONDS,
        writes=calls.writes,
        others_percent=spent.others_percent,
        memory=_memory(process),
    )


async def _take_over(bench: Bench, store: Store) -> Takeover:
    async with (
        bench.launcher.running(LEADER, within=_WITHIN) as leader,
        bench.launcher.running(STANDBY, within=_WITHIN) as standby,
    ):
        for replica in (leader, standby):
            await replica.idle(_QUIET_SECONDS, within=_WITHIN)
        holder = await _holder(bench.api)
        leader.kill()
        killed = time.monotonic()
        await _create_key(bench.api, store)
        while await _holder(bench.api) == holder:  # noqa: ASYNC110 - the event is the server's
            await asyncio.sleep(_POLL_SECONDS)
        held = time.monotonic()
        while not await _is_issued(bench.api, store):  # noqa: ASYNC110 - the event is the server's
            await asyncio.sleep(_POLL_SECONDS)
        return Takeover(store.keys, _LEASE_SECONDS, held - killed, time.monotonic() - killed)


async def _holder(api: Api) -> str:
    lease = await api.get(f"/apis/coordination.k8s.io/v1/namespaces/{ACCOUNTS}/leases/{ELECTION_LEASE}")
    return str(lease["spec"]["holderIdentity"])


async def _create_key(api: Api, store: Store) -> None:
    body = {"apiVersion": API_VERSION, "kind": "ApiKey", "metadata": {"name": "new"}}
    spec = {"membership": store.member, "access": "View"}
    await api.send("POST", collection(store.namespace(0), "apikeys"), {**body, "spec": spec})


async def _is_issued(api: Api, store: Store) -> bool:
    key = await api.get(f"{collection(store.namespace(0), 'apikeys')}/new")
    return "hash" in key["status"]


def _memory(process: Run) -> Memory:
    return Memory(process.usage.peak(0.0) / 1e6, process.usage.sample().rss / 1e6)
