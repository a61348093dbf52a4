"""The sweep's rounds over the keys: their rate, and how long they take."""

import asyncio
from itertools import pairwise

import pytest

from support.objects.builders import api_key, membership
from tenure.controller.cache import Cache
from tenure.controller.gauges import survey_sweep
from tenure.controller.informer import Informer
from tenure.controller.queue import WorkQueue
from tenure.controller.refs import Ref
from tenure.controller.relist import Sweep, round_seconds
from tenure.controller.watch_lag import Watches
from tenure.domain.resources import ApiKey, Membership
from tenure.kube.breaker import Loop
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection

pytestmark = pytest.mark.asyncio(loop_scope="function")
HALF = 150.0


@pytest.mark.parametrize(
    ("keys", "per_second", "seconds"),
    [(0, 50, HALF), (1000, 50, HALF), (7500, 50, HALF), (10_000, 50, 200), (100_000, 50, 2000), (100_000, 500, 200)],
)
async def test_with_many_keys_a_round_takes_longer_instead_of_costing_more(
    keys: int, per_second: float, seconds: float
) -> None:
    assert round_seconds(keys, HALF, per_second) == seconds


class Checks(WorkQueue):
    """When which objects were enqueued to be checked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, Ref]] = []

    def check(self, ref: Ref) -> None:
        self.seen.append((asyncio.get_running_loop().time(), ref))


class Server(Cluster):
    """A client that has no gate, but waits for its turn as long as the API server is away."""

    def __init__(self) -> None:
        super().__init__(Connection("https://127.0.0.1:1"))
        self.back = asyncio.Event()
        self.back.set()

    async def turn(self, loop: Loop) -> None:
        del loop
        await self.back.wait()


def sweep_of(cluster: Cluster, queue: WorkQueue, *, keys: int, per_second: float) -> Sweep:
    cache = Cache()
    for resource in (membership("alice"), *(api_key(f"key-{number}") for number in range(keys))):
        cache.put(resource, 0.0)
    informer = Informer(cache, Watches(), (), standing_by=False)
    return Sweep(cluster, cache, informer, queue, (), reads_per_second=per_second)


async def test_a_round_checks_every_key_at_its_rate_and_says_how_long_it_takes() -> None:
    async with Server() as cluster:
        queue = Checks()
        sweep = sweep_of(cluster, queue, keys=100, per_second=10)
        assert [reading.value for reading in survey_sweep(sweep)] == [0.0]
        await sweep.check_keys(1.0)
        assert [reading.value for reading in survey_sweep(sweep)] == pytest.approx([10.0, 10.0])
        assert {ref.resource for _, ref in queue.seen} == {ApiKey}
        assert len({ref for _, ref in queue.seen}) == 100
        moments = [at for at, _ in queue.seen]
        assert all(later - earlier == pytest.approx(0.1) for earlier, later in pairwise(moments))


async def test_members_are_checked_in_half_a_period_however_many_keys_there_are() -> None:
    async with Server() as cluster:
        queue = Checks()
        sweep, began = sweep_of(cluster, queue, keys=100, per_second=1), asyncio.get_running_loop().time()
        await sweep.check_members(1.0)
        assert [ref.resource for _, ref in queue.seen] == [Membership]
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)


async def test_after_an_outage_a_round_doesnt_catch_up() -> None:
    async with Server() as cluster:
        queue = Checks()
        checking = asyncio.create_task(sweep_of(cluster, queue, keys=100, per_second=10).check_keys(1.0))
        await asyncio.sleep(5.05)
        before = len(queue.seen)
        cluster.back.clear()
        await asyncio.sleep(600)
        assert len(queue.seen) == before
        cluster.back.set()
        await asyncio.sleep(1.0)
        assert len(queue.seen) - before <= 12
        await checking
        assert len(queue.seen) == 100
