"""Measures how late the event loop is, because everything that a process answers waits for it."""

import asyncio
import contextlib
from collections.abc import Iterator

from tenure.observability.metrics import Meter
from tenure.observability.process_catalogue import LOOP_DELAY

INTERVAL_SECONDS = 0.1


class _Pulse:
    """Has itself called at given times, and records how late that is."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._loop = asyncio.get_running_loop()
        self._beat()

    def _beat(self) -> None:
        self._due = self._loop.time() + INTERVAL_SECONDS
        self._timer = self._loop.call_at(self._due, self._measure)

    def _measure(self) -> None:
        self._meter.observe(LOOP_DELAY, max(self._loop.time() - self._due, 0.0))
        self._beat()

    def stop(self) -> None:
        """Measure no more."""
        self._timer.cancel()


@contextlib.contextmanager
def loop_delay_measured(meter: Meter) -> Iterator[None]:
    """Measure the delay ten times a second while the block runs."""
    pulse = _Pulse(meter)
    try:
        yield
    finally:
        pulse.stop()
