"""The delay of the event loop is how much later than due it calls."""

import asyncio
import time

import pytest

from tenure.observability.loop_delay import INTERVAL_SECONDS, loop_delay_measured
from tenure.observability.metrics import Meter, Metric
from tenure.observability.process_catalogue import LOOP_DELAY


class Delays(Meter):
    """The measured delays."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.first = asyncio.Event()

    def observe(self, metric: Metric, seconds: float, *values: str) -> None:
        assert (metric, values) == (LOOP_DELAY, ())
        self.seconds.append(seconds)
        self.first.set()


@pytest.mark.asyncio(loop_scope="function")
async def test_a_task_that_holds_up_the_loop_is_seen() -> None:
    delays = Delays()
    with loop_delay_measured(delays):
        time.sleep(2 * INTERVAL_SECONDS)  # noqa: ASYNC251 - this is what is measured
        await asyncio.wait_for(delays.first.wait(), timeout=60)
    assert delays.seconds[0] >= INTERVAL_SECONDS
