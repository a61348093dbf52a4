"""The work queue: sums wait for a burst of changes to end, and the end of the process for the work in hand."""

import asyncio
from collections.abc import Callable

import pytest

from tenure.controller.queue import Item, Purpose, WorkQueue
from tenure.controller.refs import Ref
from tenure.domain.resources import Membership

pytestmark = pytest.mark.asyncio(loop_scope="function")

A, B = Ref(Membership, "acme", "a"), Ref(Membership, "acme", "b")
FIRST = pytest.param(1, id="nothing done before")
LATER = pytest.param(2, id="idle before")
EVERY_0_3 = [0.3 * number for number in range(102)]


class Work:
    """When each object was begun and finished; each piece takes so many seconds."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.begun: list[tuple[str, float]] = []
        self.finished: list[tuple[str, float]] = []

    async def __call__(self, item: Item) -> None:
        self.begun.append((item.ref.name, _now()))
        await asyncio.sleep(self.seconds)
        self.finished.append((item.ref.name, _now()))


def _now() -> float:
    return round(asyncio.get_running_loop().time(), 6)


async def _until(moment: float) -> None:
    await asyncio.sleep(moment - asyncio.get_running_loop().time())


async def _worked(play: Callable[[WorkQueue, float], None], moments: list[float], seconds: float = 0.0) -> list[float]:
    """When object A is worked on, if `play` does something at these moments."""
    queue, work = WorkQueue(), Work(seconds)
    tasks = queue.start(work, workers=2)
    for moment in moments:
        await _until(moment)
        play(queue, moment)
    await _until(1000)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [moment for name, moment in work.begun if name == "a"]


def _settle(queue: WorkQueue, _: float) -> None:
    queue.settle(A)


@pytest.mark.parametrize(
    ("moments", "worked"),
    [
        pytest.param([0.0], [1.0], id="one change"),
        pytest.param([0.0, 0.5], [1.5], id="two changes"),
        pytest.param([0.0, 0.9, 1.8, 2.7], [3.7], id="a burst"),
        pytest.param([0.0, 1.5], [1.0, 2.5], id="two bursts"),
        pytest.param(EVERY_0_3[:33], [10.0], id="a burst that ends near the limit"),
        pytest.param(EVERY_0_3[:52], [10.0, 16.3], id="a burst longer than the limit"),
        pytest.param(EVERY_0_3[:102], [10.0, 20.2, 30.4], id="a burst of half a minute"),
    ],
)
async def test_sums_wait_for_a_second_of_quiet_and_ten_at_the_most(moments: list[float], worked: list[float]) -> None:
    assert await _worked(_settle, moments) == pytest.approx(worked)


@pytest.mark.parametrize(
    ("added", "moments", "worked"),
    [
        pytest.param(0.5, [0.0, 0.5], [0.5], id="instead of later"),
        pytest.param(0.0, [0.0, 0.5], [0.0, 1.5], id="and later again"),
    ],
)
async def test_what_is_asked_for_at_once_does_not_wait_for_quiet(
    added: float, moments: list[float], worked: list[float]
) -> None:
    def play(queue: WorkQueue, moment: float) -> None:
        if moment == added:
            queue.add(A)
        else:
            queue.settle(A)

    assert await _worked(play, moments) == worked


async def test_what_waits_already_need_not_settle() -> None:
    def play(queue: WorkQueue, _: float) -> None:
        queue.add(A)
        queue.settle(A)

    assert await _worked(play, [0.0]) == [0.0]


async def test_a_change_during_the_work_settles_after_it() -> None:
    def play(queue: WorkQueue, moment: float) -> None:
        if moment == 0.0:
            queue.add(A)
        else:
            queue.settle(A)

    assert await _worked(play, [0.0, 0.5], seconds=3.0) == [0.0, 3.0], "its second is over when the work ends"


async def test_settling_can_be_called_off() -> None:
    def play(queue: WorkQueue, moment: float) -> None:
        if moment == 0.0:
            queue.settle(A)
        else:
            queue.add_at(A, None, Purpose.SETTLE)

    assert await _worked(play, [0.0, 0.5]) == []


async def test_each_object_settles_for_itself() -> None:
    def play(queue: WorkQueue, moment: float) -> None:
        queue.settle(A if moment == 0.0 else B)

    assert await _worked(play, [0.0, 0.5, 0.9]) == [1.0]


@pytest.mark.parametrize("rounds", [FIRST, LATER])
async def test_draining_finishes_the_work_in_hand_and_begins_no_more(rounds: int) -> None:
    queue, work = WorkQueue(), Work(seconds=3)
    tasks = queue.start(work, workers=1)
    for number in range(rounds):
        await _until(number * 10.0)
        queue.add(A)
    await asyncio.sleep(1)
    queue.add(B)
    drained_from = _now()
    await queue.drain(5)
    assert _now() == drained_from + 2
    assert [name for name, _ in work.finished] == ["a"] * rounds
    assert [name for name, _ in work.begun] == ["a"] * rounds
    await asyncio.sleep(10)
    assert [name for name, _ in work.begun] == ["a"] * rounds, "nor later"
    await _stop(tasks)


@pytest.mark.parametrize("rounds", [FIRST, LATER])
async def test_draining_takes_no_longer_than_it_may(rounds: int) -> None:
    queue, work = WorkQueue(), Work(seconds=100)
    tasks = queue.start(work, workers=2)
    for number in range(rounds):
        await _until(number * 200.0)
        queue.add(A)
    await asyncio.sleep(1)
    drained_from = _now()
    await queue.drain(5)
    assert _now() == drained_from + 5
    assert len(work.finished) == rounds - 1
    await _stop(tasks)


async def test_no_work_begins_between_the_signal_and_the_wait() -> None:
    queue, work = WorkQueue(), Work(seconds=3)
    tasks = queue.start(work, workers=2)
    queue.add(A)
    await _until(1)
    queue.begin_draining()
    queue.add(B)
    await _until(2)
    await queue.drain(5)
    assert _now() == 3.0
    assert work.begun == [("a", 0.0)]
    await _stop(tasks)


async def test_draining_waits_for_the_last_of_several() -> None:
    queue = WorkQueue()
    seconds = {"a": 2.0, "b": 4.0}
    finished: list[str] = []

    async def work(item: Item) -> None:
        await asyncio.sleep(seconds[item.ref.name])
        finished.append(item.ref.name)

    tasks = queue.start(work, workers=2)
    queue.add(A)
    queue.add(B)
    await _until(1)
    await queue.drain(100)
    assert _now() == 4.0
    assert finished == ["a", "b"]
    await _stop(tasks)


@pytest.mark.parametrize("rounds", [pytest.param(0, id="never worked"), pytest.param(1, id="worked before")])
async def test_draining_an_idle_queue_takes_no_time(rounds: int) -> None:
    queue, work = WorkQueue(), Work(seconds=1)
    tasks = queue.start(work, workers=2)
    for _ in range(rounds):
        queue.add(A)
    await _until(10)
    await queue.drain(5)
    assert _now() == 10.0
    assert len(work.finished) == rounds
    await _stop(tasks)


async def test_workers_that_are_cancelled_end() -> None:
    queue, work = WorkQueue(), Work(seconds=100)
    tasks = queue.start(work, workers=3)
    queue.add(A)
    await _until(1)
    await _stop(tasks)
    assert all(task.cancelled() for task in tasks)
    assert work.finished == []


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
