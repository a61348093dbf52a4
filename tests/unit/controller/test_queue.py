"""The work queue: what is worked on, when, and when again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tenure.controller.queue import Item, Purpose, WorkQueue
from tenure.controller.refs import Ref
from tenure.domain.resources import ApiKey

pytestmark = pytest.mark.asyncio(loop_scope="function")

A, B, C = (Ref(ApiKey, "acme", name) for name in "abc")


class Work:
    """What was worked on, when; each piece takes so many seconds."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.items: list[Item] = []
        self.times: list[tuple[str, float]] = []
        self.finished: list[str] = []
        self.active: list[str] = []
        self.together: set[frozenset[str]] = set()

    async def __call__(self, item: Item) -> None:
        assert item.ref.name not in self.active, "one at a time per object"
        self.items.append(item)
        self.times.append((item.ref.name, _now()))
        self.active.append(item.ref.name)
        self.together.add(frozenset(self.active))
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.active.remove(item.ref.name)
        self.finished.append(item.ref.name)


def _now() -> float:
    return round(asyncio.get_running_loop().time(), 6)


@contextlib.asynccontextmanager
async def running(
    queue: WorkQueue, work: Callable[[Item], Awaitable[None]], *, workers: int = 2
) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = queue.start(work, workers=workers)
    try:
        yield tasks
        assert not any(task.done() and not task.cancelled() and task.exception() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(moment: float) -> None:
    await asyncio.sleep(moment - asyncio.get_running_loop().time())


async def test_whatever_is_added_is_worked_on_in_its_order() -> None:
    queue, work = WorkQueue(), Work()
    for ref in (B, A, C):
        queue.add(ref)
    assert len(queue) == 3
    async with running(queue, work, workers=1):
        await _until(1)
    assert work.finished == ["b", "a", "c"]
    assert len(queue) == 0


async def test_what_waits_already_is_not_added_twice() -> None:
    queue, work = WorkQueue(), Work()
    for ref in (A, B, A, A, B):
        queue.add(ref)
    assert len(queue) == 2
    async with running(queue, work):
        await _until(1)
    assert work.finished == ["a", "b"]


async def test_an_item_says_when_it_was_last_asked_for() -> None:
    queue, work = WorkQueue(), Work()
    queue.add(A)
    await _until(3)
    queue.add(A)
    await _until(5)
    async with running(queue, work):
        await _until(6)
    assert [(item.since, item.checked) for item in work.items] == [(3.0, False)]


async def test_objects_are_worked_on_together_and_each_by_one_worker() -> None:
    queue, work = WorkQueue(), Work(seconds=5)
    queue.add(A)
    queue.add(B)
    queue.add(C)
    async with running(queue, work, workers=2):
        for moment in (1, 2, 3):
            await _until(moment)
            queue.add(A)
        await _until(30)
    assert work.times == [("a", 0.0), ("b", 0.0), ("c", 5.0), ("a", 5.0)]
    assert max(map(len, work.together)) == 2


async def test_what_is_added_while_it_is_worked_on_is_worked_on_once_more() -> None:
    queue, work = WorkQueue(), Work(seconds=5)
    queue.add(A)
    async with running(queue, work, workers=3):
        for moment in (1, 2):
            await _until(moment)
            queue.add(A)
        assert len(queue) == 1
        await _until(30)
    assert work.times == [("a", 0.0), ("a", 5.0)]
    assert work.items[1].since == 2.0, "reads that prove something must have started after that"


async def test_a_failure_delays_the_object_and_no_other_twice_as_long_each_time() -> None:
    queue = WorkQueue()
    item = Item(A, 0.0, checked=False)
    delays = [queue.back_off(item) for _ in range(11)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30])
    assert queue.back_off(Item(B, 0.0, checked=False)) == pytest.approx(0.1)


async def test_the_delay_is_at_least_what_the_server_asks_for() -> None:
    queue = WorkQueue()
    item = Item(A, 0.0, checked=False)
    assert queue.back_off(item, at_least=7.0) == 7.0
    assert queue.back_off(item, at_least=60.0) == 60.0
    assert queue.back_off(item) == pytest.approx(0.4)


@pytest.mark.parametrize("reset", [WorkQueue.succeed, WorkQueue.forget])
async def test_success_starts_the_delays_anew(reset: Callable[[WorkQueue, Ref], None]) -> None:
    queue = WorkQueue()
    item = Item(A, 0.0, checked=False)
    for _ in range(5):
        queue.back_off(item)
    reset(queue, A)
    assert queue.back_off(item) == pytest.approx(0.1)


async def test_an_object_that_fails_for_a_day_is_still_tried() -> None:
    queue = WorkQueue()
    for _ in range(24 * 120):
        delay = queue.back_off(Item(A, 0.0, checked=False))
    assert delay == 30.0


async def test_an_object_that_failed_is_tried_again_when_its_delay_is_over() -> None:
    queue, times = WorkQueue(), []

    async def fail(item: Item) -> None:
        times.append(_now())
        queue.back_off(item)

    queue.add(A)
    async with running(queue, fail):
        await _until(1.6)
    assert times == pytest.approx([0.0, 0.1, 0.3, 0.7, 1.5])


async def test_success_cancels_the_retry_and_no_other_time() -> None:
    queue, work = WorkQueue(), Work()
    queue.back_off(Item(A, 0.0, checked=False))
    queue.add_at(A, 5.0, Purpose.WAKE)
    queue.succeed(A)
    async with running(queue, work):
        await _until(30)
    assert work.times == [("a", 5.0)]


@pytest.mark.parametrize(
    ("moments", "worked"),
    [
        pytest.param([5.0], [5.0], id="once"),
        pytest.param([5.0, 9.0], [9.0], id="put off"),
        pytest.param([9.0, 5.0], [5.0], id="brought forward"),
        pytest.param([5.0, None], [], id="cancelled"),
        pytest.param([None], [], id="nothing to cancel"),
        pytest.param([5.0, None, 7.0], [7.0], id="cancelled and set again"),
        pytest.param([-1.0], [0.0], id="in the past"),
    ],
)
async def test_the_last_time_set_is_the_one_that_counts(moments: list[float | None], worked: list[float]) -> None:
    queue, work = WorkQueue(), Work()
    for moment in moments:
        queue.add_at(A, moment, Purpose.WAKE)
    async with running(queue, work):
        await _until(30)
    assert [moment for _, moment in work.times] == worked


async def test_each_purpose_and_each_object_has_its_own_time() -> None:
    queue, work = WorkQueue(), Work()
    queue.add_at(A, 5.0, Purpose.WAKE)
    queue.add_at(A, 6.0, Purpose.RETRY)
    queue.add_at(A, 7.0, Purpose.SETTLE)
    queue.add_at(B, 8.0, Purpose.WAKE)
    queue.add_at(A, None, Purpose.SETTLE)
    async with running(queue, work):
        await _until(30)
    assert work.times == [("a", 5.0), ("a", 6.0), ("b", 8.0)]
    assert [item.since for item in work.items] == [5.0, 6.0, 8.0]


async def test_a_check_that_failed_is_a_check_when_it_is_tried_again() -> None:
    queue, checked = WorkQueue(), []

    async def fail_once(item: Item) -> None:
        checked.append(item.checked)
        if len(checked) == 1:
            queue.back_off(item)
        else:
            queue.succeed(item.ref)

    queue.check(A)
    async with running(queue, fail_once):
        await _until(5)
        queue.add(A)
        await _until(10)
    assert checked == [True, True, False]


async def test_a_check_that_comes_while_the_object_waits_makes_it_one() -> None:
    queue, work = WorkQueue(), Work()
    queue.add(A)
    queue.check(A)
    await _until(2)
    async with running(queue, work):
        await _until(3)
    assert [item.checked for item in work.items] == [True]


async def test_an_object_that_is_gone_has_no_times_left() -> None:
    queue, work = WorkQueue(), Work()
    for purpose in Purpose:
        queue.add_at(A, 5.0, purpose)
    queue.back_off(Item(A, 0.0, checked=True))
    queue.settle(A)
    queue.forget(A)
    async with running(queue, work):
        await _until(30)
        queue.add(A)
        await _until(31)
    assert [(item.since, item.checked) for item in work.items] == [(30.0, False)]


async def test_an_object_that_backs_off_is_not_hurried_by_others() -> None:
    queue, work = WorkQueue(), Work()
    queue.back_off(Item(A, 0.0, checked=False), at_least=5.0)
    queue.add_unless_backing_off(A)
    queue.add_unless_backing_off(B)
    async with running(queue, work):
        await _until(10)
        queue.add_unless_backing_off(A)
        await _until(20)
    assert work.times == [("b", 0.0), ("a", 5.0), ("a", 10.0)]
