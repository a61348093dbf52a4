"""What is worked on first: what ends a token, then changes, and the first tokens of keys last."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from support.objects.builders import NOW, api_key, issued, membership, organization, rotated
from tenure.controller.cache import Cache
from tenure.controller.lanes import Lane, Lanes
from tenure.controller.queue import Item, WorkQueue
from tenure.controller.ready import TURN_OF_THE_OLDEST
from tenure.controller.refs import Ref, ref_of
from tenure.domain.resources import ApiKey, Resource
from tenure.kube.turns import Turns, yielding

ACME = organization()
ALICE = membership()
PROMOTED = membership(role="Owner", generation=2)
KEY = issued(api_key(), ALICE, ACME)
ENDING, ENDED = (
    rotated(KEY, former="former", replaced_at=NOW, ends_at=NOW + timedelta(minutes=minutes)) for minutes in (1, -1)
)

LANES: dict[str, tuple[Sequence[Resource], Resource, Lane]] = {
    # What is known, the object that is added, and its lane.
    "a key without a token": ([ACME, ALICE, api_key()], api_key(), Lane.ISSUES),
    "a key that works": ([ACME, ALICE, KEY], KEY, Lane.CHANGES),
    "a key of before the role change": ([ACME, PROMOTED, KEY], KEY, Lane.ENDS),
    "the same without its Secret": (
        [ACME, PROMOTED, issued(api_key(), ALICE, ACME, secret_uid=None)],
        KEY,
        Lane.CHANGES,
    ),
    "a key of a later Membership than the known one": (
        [ACME, ALICE, issued(api_key(), ALICE, ACME, membership_generation=2)],
        KEY,
        Lane.CHANGES,
    ),
    "a key of a removed member": ([ACME, KEY], KEY, Lane.ENDS),
    "a key of a removed organization": ([ALICE, KEY], KEY, Lane.ENDS),
    "a key that is suspended": (
        [organization(suspended_members=["alice"]), ALICE, KEY],
        KEY,
        Lane.CHANGES,
    ),
    "a key that gets another token": (
        [ACME, ALICE, issued(api_key(revision=2), ALICE, ACME, revision=1)],
        KEY,
        Lane.ENDS,
    ),
    "a key whose former token is valid": ([ACME, ALICE, ENDING], KEY, Lane.CHANGES),
    "a key whose former token has ended": ([ACME, ALICE, ENDED], KEY, Lane.ENDS),
    "a deleted key, which may have left its Secret": ([ACME, ALICE], KEY, Lane.ENDS),
    "a new member": ([ACME, ALICE], ALICE, Lane.CHANGES),
    "a member as recorded": ([ACME, membership(status={"observedGeneration": 1})], ALICE, Lane.CHANGES),
    "a role change that isn't recorded": (
        [membership(role="Owner", generation=2, status={"observedGeneration": 1})],
        ALICE,
        Lane.ENDS,
    ),
    "a member who is removed": ([membership(deleting=True)], ALICE, Lane.ENDS),
    "an organization": ([ACME], ACME, Lane.CHANGES),
    "an organization that is removed": ([organization(deleting=True)], ACME, Lane.ENDS),
}


@pytest.mark.parametrize(("known", "added", "lane"), [pytest.param(*row, id=name) for name, row in LANES.items()])
def test_the_state_of_an_object_decides_its_lane(known: Sequence[Resource], added: Resource, lane: Lane) -> None:
    cache = Cache()
    for resource in known:
        cache.put(resource, 0.0)
    assert Lanes(cache, lambda: NOW)(ref_of(added)) is lane


class Queued:
    """A queue whose lanes are the first letters of the names, and the order in which its objects are worked on."""

    def __init__(self) -> None:
        self.queue = WorkQueue(lambda ref: {"e": Lane.ENDS, "c": Lane.CHANGES, "i": Lane.ISSUES}[ref.name[0]])
        self.order: list[str] = []
        self.busy: set[str] = set()
        self.most_busy = 0
        self.end = asyncio.Event()

    def add(self, *names: str, lane: Lane | None = None) -> None:
        for name in names:
            self.queue.add(Ref(ApiKey, "acme", name), lane)

    async def work(self, item: Item) -> None:
        self.order.append(item.ref.name)
        self.busy.add(item.ref.name)
        self.most_busy = max(self.most_busy, len(self.busy))
        await self.end.wait()
        self.busy.remove(item.ref.name)

    async def until_idle(self, *, workers: int = 1, reserved: int = 0) -> list[str]:
        tasks = self.queue.start(self.work, workers=workers, reserved=reserved)
        await asyncio.sleep(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self.order


@pytest.mark.asyncio(loop_scope="function")
async def test_the_most_urgent_lane_comes_first_and_each_in_its_order() -> None:
    queued = Queued()
    queued.end.set()
    queued.add("i1", "c1", "i2", "e1", "c2", "e2")
    assert [queued.queue.waiting(lane) for lane in Lane] == [2, 2, 2]
    assert await queued.until_idle() == ["e1", "e2", "c1", "c2", "i1", "i2"]
    assert [queued.queue.waiting(lane) for lane in Lane] == [0, 0, 0]


@pytest.mark.asyncio(loop_scope="function")
async def test_no_lane_waits_forever() -> None:
    queued = Queued()
    queued.end.set()
    queued.add("i1", "c1", *(f"e{number}" for number in range(3 * TURN_OF_THE_OLDEST)))
    order = await queued.until_idle()
    assert [order.index("i1") + 1, order.index("c1") + 1] == [TURN_OF_THE_OLDEST, 2 * TURN_OF_THE_OLDEST]


@pytest.mark.asyncio(loop_scope="function")
async def test_an_object_that_becomes_urgent_is_not_behind_its_former_place_nor_worked_on_twice() -> None:
    queued = Queued()
    queued.end.set()
    queued.add("i1", "i2", "i3")
    queued.add("i3", lane=Lane.ENDS)
    queued.add("i3")
    assert len(queued.queue) == 3
    assert await queued.until_idle() == ["i3", "i1", "i2"]


@pytest.mark.asyncio(loop_scope="function")
async def test_what_ends_a_token_finds_a_worker_while_all_others_are_at_work() -> None:
    queued = Queued()
    queued.add(*(f"i{number}" for number in range(10)))
    tasks = queued.queue.start(queued.work, workers=5, reserved=2)
    await asyncio.sleep(1)
    assert queued.order == ["i0", "i1", "i2"]
    queued.add("e1", "e2", "e3")
    await asyncio.sleep(1)
    assert queued.order[3:] == ["e1", "e2"]
    queued.end.set()
    await asyncio.sleep(1)
    assert queued.order[5] == "e3"
    assert len(queued.order) == 13
    for task in tasks:
        task.cancel()


@pytest.mark.asyncio(loop_scope="function")
async def test_an_urgent_object_that_failed_is_urgent_when_it_is_tried_again() -> None:
    queued, lanes = Queued(), list[Lane]()

    async def fail(item: Item) -> None:
        lanes.append(item.lane)
        if len(lanes) < 3:
            queued.queue.back_off(item)

    queued.add("i1", lane=Lane.ENDS)
    (task,) = queued.queue.start(fail, workers=1)
    await asyncio.sleep(5)
    task.cancel()
    assert lanes == [Lane.ENDS] * 3


@pytest.mark.asyncio(loop_scope="function")
async def test_requests_that_yield_leave_connections_to_the_others() -> None:
    turns, under_way, end = Turns(2), list[str](), asyncio.Event()

    async def request(name: str, *, yields: bool) -> None:
        with yielding(yields=yields):
            async with turns.taken():
                under_way.append(name)
                await end.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(request(f"issues {number}", yields=True))
        await asyncio.sleep(1)
        for number in range(3):
            group.create_task(request(f"ends {number}", yields=False))
        await asyncio.sleep(1)
        assert under_way == ["issues 0", "issues 1", "ends 0", "ends 1", "ends 2"]
        end.set()
    assert len(under_way) == 7
