"""Consistent reads: shared by all whom the same one serves, and by nobody else."""

import asyncio
import gc
from typing import cast

import pytest

from support.objects.builders import membership
from tenure.controller.cache import Cache
from tenure.controller.fresh_reads import FreshReads, Reading, SharedReads
from tenure.controller.informer import Informer
from tenure.controller.watch_lag import Watches
from tenure.domain.resources import Membership, Resource
from tenure.errors import UnavailableError
from tenure.kube.cluster import Cluster

pytestmark = pytest.mark.asyncio(loop_scope="function")


class Server:
    """Answers each read with its number, once it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = asyncio.Event()
        self.failure: Exception | None = None

    async def read(self, key: str) -> int:
        self.asked.append(key)
        number = len(self.asked)
        await self.answer.wait()
        if self.failure is not None:
            raise self.failure
        return number


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _tick() -> float:
    """Let everybody who can go on do so, and a second pass; returns the new time."""
    await asyncio.sleep(1)
    return _now()


async def _all(*readings: asyncio.Task[Reading[int]]) -> list[Reading[int]]:
    return await asyncio.gather(*readings)


async def test_all_who_asked_before_it_started_share_a_read() -> None:
    server = Server()
    reads = SharedReads[str, int](server.read)
    since = _now()
    await _tick()
    asking = [asyncio.create_task(reads.get("alice", since)) for _ in range(100)]
    await _tick()
    late = asyncio.create_task(reads.get("alice", since - 1))
    server.answer.set()
    readings = await _all(*asking, late)
    assert server.asked == ["alice"]
    assert {reading.value for reading in readings} == {1}
    assert len({reading.started for reading in readings}) == 1
    assert readings[0].started > since


async def test_a_finished_read_serves_whoever_needs_none_later() -> None:
    server = Server()
    server.answer.set()
    reads = SharedReads[str, int](server.read)
    first = await reads.get("alice", _now())
    await _tick()
    assert await reads.get("alice", first.started) == first, "started at that moment or later"
    assert server.asked == ["alice"]


async def test_whoever_asked_after_it_started_gets_another_read() -> None:
    server = Server()
    reads = SharedReads[str, int](server.read)
    early = asyncio.create_task(reads.get("alice", _now()))
    since = await _tick()
    later = asyncio.create_task(reads.get("alice", since))
    await _tick()
    assert server.asked == ["alice", "alice"]
    server.answer.set()
    first, second = await _all(early, later)
    assert (first.value, second.value) == (1, 2)
    assert first.started < since <= second.started


async def test_the_latest_read_serves_those_who_asked_for_an_earlier_one() -> None:
    server = Server()
    server.answer.set()
    reads = SharedReads[str, int](server.read)
    early = _now()
    await reads.get("alice", early)
    second = await reads.get("alice", await _tick())
    assert await reads.get("alice", early) == second
    assert len(server.asked) == 2


async def test_another_object_is_another_read() -> None:
    server = Server()
    server.answer.set()
    reads = SharedReads[str, int](server.read)
    since = _now()
    assert (await reads.get("alice", since)).value == 1
    assert (await reads.get("bob", since)).value == 2
    assert server.asked == ["alice", "bob"]


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    server = Server()
    server.failure = UnavailableError("no answer")
    reads = SharedReads[str, int](server.read)
    since = _now()
    asking = [asyncio.create_task(reads.get("alice", since)) for _ in range(3)]
    await _tick()
    server.answer.set()
    for task in asking:
        with pytest.raises(UnavailableError, match="no answer"):
            await _all(task)
    assert server.asked == ["alice"]
    server.failure = None
    assert (await reads.get("alice", since)).value == 2


async def test_a_failure_does_not_throw_a_later_read_away() -> None:
    server = Server()
    reads = SharedReads[str, int](server.read)
    failing = asyncio.create_task(reads.get("alice", _now()))
    since = await _tick()
    good = asyncio.create_task(reads.get("alice", since))
    await _tick()
    server.failure = UnavailableError("no answer")
    server.answer.set()
    await asyncio.gather(failing, good, return_exceptions=True)
    server.failure = None
    third = await reads.get("alice", since)
    assert third.value == 3, "both failed, so a third was made"
    assert await reads.get("alice", since) == third


async def test_whoever_gives_up_takes_the_answer_from_nobody() -> None:
    server = Server()
    reads = SharedReads[str, int](server.read)
    since = _now()
    patient, hasty = (asyncio.create_task(reads.get("alice", since)) for _ in range(2))
    await _tick()
    hasty.cancel()
    await asyncio.gather(hasty, return_exceptions=True)
    server.answer.set()
    (reading,) = await _all(patient)
    assert reading.value == 1
    assert hasty.cancelled()


async def test_the_one_who_started_the_read_may_give_up_too() -> None:
    server = Server()
    reads = SharedReads[str, int](server.read)
    since = _now()
    starter = asyncio.create_task(reads.get("alice", since))
    await _tick()
    starter.cancel()
    await asyncio.gather(starter, return_exceptions=True)
    server.answer.set()
    assert (await reads.get("alice", since)).value == 2
    assert server.asked == ["alice", "alice"]


async def test_whoever_waits_reads_anew_when_the_one_who_read_gives_up() -> None:
    server = Server()
    reads = SharedReads[str, int](server.read)
    since = _now()
    starter, *waiting = (asyncio.create_task(reads.get("alice", since)) for _ in range(4))
    await _tick()
    starter.cancel()
    await _tick()
    server.answer.set()
    readings = await _all(*waiting)
    assert {reading.value for reading in readings} == {2}
    assert server.asked == ["alice", "alice"], "and share the new read"


async def test_whoever_is_cancelled_with_the_one_who_read_does_not_read_anew() -> None:
    server = Server()
    reads = SharedReads[str, int](server.read)
    tasks = [asyncio.create_task(reads.get("alice", _now())) for _ in range(3)]
    await _tick()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert server.asked == ["alice"]


async def test_a_failure_that_nobody_else_waits_for_is_reported_once() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    server = Server()
    server.failure = UnavailableError("no answer")
    server.answer.set()
    with pytest.raises(UnavailableError):
        await SharedReads[str, int](server.read).get("alice", _now())
    gc.collect()
    await _tick()
    assert complaints == []


async def test_a_read_that_was_made_again_is_remembered_longer() -> None:
    server = Server()
    server.answer.set()
    reads = SharedReads[str, int](server.read)
    since = _now()
    for number in range(1000):
        await reads.get(f"member-{number}", since)
    later = await _tick()
    renewed = await reads.get("member-0", later)
    for number in range(1000, 1500):
        await reads.get(f"member-{number}", since)
    assert await reads.get("member-0", later) == renewed


async def test_reads_are_not_remembered_for_ever() -> None:
    server = Server()
    server.answer.set()
    reads = SharedReads[str, int](server.read)
    since = _now()
    for number in range(2000):
        await reads.get(f"member-{number}", since)
    assert (await reads.get("member-1999", since)).value == 2000
    assert (await reads.get("member-0", since)).value == 2001, "the oldest was forgotten"


class _Stored:
    """What a GET of one Membership gives, and what happens while it is on its way."""

    def __init__(self, stored: Membership) -> None:
        self.stored = stored
        self.meanwhile: Membership | None = None
        self.informer: Informer | None = None

    async def get(self, *_: object) -> Resource:
        answer = self.stored
        await _tick()
        if self.meanwhile is not None and self.informer is not None:
            self.informer.take_in(self.meanwhile)
        return answer


async def _reads(stored: _Stored, cached: Membership) -> FreshReads:
    cache = Cache()
    stored.informer = Informer(cache, Watches(), (), standing_by=False)
    stored.informer.take_in(cached)
    await _tick()
    return FreshReads(cast("Cluster", stored), cache, stored.informer)


async def test_a_read_that_is_older_than_what_was_seen_before_it_tells_of_a_restored_etcd() -> None:
    backup = membership(role="Member", generation=1, version=5)
    reads = await _reads(_Stored(backup), cached=membership(role="Viewer", generation=2, version=9))
    assert await reads.membership(backup.namespace, backup.name, _now()) == backup


async def test_a_state_that_was_seen_while_the_read_was_on_its_way_is_newer() -> None:
    before, after = membership(version=5), membership(role="Viewer", generation=2, version=9)
    stored = _Stored(before)
    stored.meanwhile = after
    reads = await _reads(stored, cached=before)
    assert await reads.membership(before.namespace, before.name, _now()) == after
