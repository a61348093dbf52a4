"""What the failure of an attempt means: when it is tried again, and what is logged and counted."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from tenure.controller.cache import Cache
from tenure.controller.queue import Item, WorkQueue
from tenure.controller.refs import Ref
from tenure.controller.worker import MOST_CONFLICTS, Work
from tenure.domain.resources import ApiKey
from tenure.errors import ConflictError
from tenure.observability.metrics import Meter, Metric, Queue

pytestmark = pytest.mark.asyncio(loop_scope="function")

KEY = Ref(ApiKey, "acme", "ci-deploy")


class Outcomes(Meter):
    """How the attempts went."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def observe(self, metric: Metric, seconds: float, *values: str) -> None:
        del metric, seconds
        self.seen.append(values[-1])


async def attempt(conflicts: int, *, seconds: float) -> Sequence[str]:
    """How attempts at an object went that meets so many conflicts, until so much time is over."""
    outcomes = Outcomes()
    queue = WorkQueue()
    left = conflicts

    async def reconcile(_: Item) -> None:
        nonlocal left
        if left:
            left -= 1
            raise ConflictError("the object has been modified")

    work = Work(Cache(), outcomes, queue, Queue.OBJECTS, reconcile, lambda: True)
    workers = queue.start(work, workers=1)
    queue.add(KEY)
    await asyncio.sleep(seconds)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return outcomes.seen


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_few_conflicts_are_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    seen = await attempt(MOST_CONFLICTS, seconds=60)
    assert seen == ["conflict"] * MOST_CONFLICTS + ["done"]
    assert warnings(caplog) == []


async def test_conflicts_without_an_end_are_failures_that_name_the_object(caplog: pytest.LogCaptureFixture) -> None:
    seen = await attempt(1000, seconds=1800)
    assert set(seen[MOST_CONFLICTS:]) == {"failed"}
    assert len(seen) >= 1800 / 30
    assert warnings(caplog)[0] == (
        "ApiKey acme/ci-deploy: other writers changed it during each of 5 attempts: the object has been modified. "
        "Trying again in 1.6 s"
    )
