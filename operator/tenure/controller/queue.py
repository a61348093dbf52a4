"""The work queue: it deduplicates, runs one reconciliation per object at a time, backs off, and wakes at given times.

It works like client-go's: if an object is added during its reconciliation, it is reconciled once more afterwards.
Unlike client-go's, it has lanes: the objects of a more urgent one come first, however many others wait.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

from tenure.controller.lanes import Lane
from tenure.controller.ready import Ready
from tenure.controller.refs import Ref

FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 30.0
_MOST_DOUBLINGS = 16
QUIET_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 10.0


class Purpose(Enum):
    """Why an object is reconciled later. An object has at most one time for each purpose."""

    WAKE = auto()
    """At a time that changes its state, e.g. its expiry."""
    RETRY = auto()
    SETTLE = auto()
    """Once a burst of changes around it is over."""


@dataclass(frozen=True)
class Item:
    """An object to reconcile.

    Attributes:
        ref: The object's address.
        since: When it was enqueued, on the loop's clock. Reads that prove a plan must have started after that.
        checked: Whether to read the key's Secret too, which no watch shows. The sweep and retries after a conflict do.
        lane: How urgent it is.
    """

    ref: Ref
    since: float
    checked: bool
    lane: Lane = Lane.CHANGES


async def _at_once() -> None:
    return


class WorkQueue:
    """Objects to reconcile. Call all methods in the event loop's thread.

    `lane_of` decides how urgent an object is, whenever it is added.
    """

    def __init__(self, lane_of: Callable[[Ref], Lane] = lambda _: Lane.CHANGES) -> None:
        self._loop = asyncio.get_running_loop()
        self._lane_of = lane_of
        self._ready = Ready()
        self._since: dict[Ref, float] = {}
        self._waiting: dict[Ref, float] = {}
        self._active: dict[Ref, float] = {}
        self._timers: dict[tuple[Ref, Purpose], asyncio.TimerHandle] = {}
        self._settling: dict[Ref, float] = {}
        self._failures: dict[Ref, int] = {}
        self._checks: set[Ref] = set()
        self._idle = asyncio.Event()
        self._draining = False

    def add(self, ref: Ref, lane: Lane | None = None) -> None:
        """Reconcile the object as soon as possible, in this lane or by `lane_of`, whichever is more urgent."""
        found = self._lane_of(ref)
        self._since[ref] = self._loop.time()
        self._cancel(ref, Purpose.SETTLE)
        self._waiting.setdefault(ref, self._since[ref])
        self._ready.put(ref, found if lane is None else min(found, lane), held=ref in self._active)

    def add_unless_backing_off(self, ref: Ref) -> None:
        """Reconcile the object as soon as possible, unless it backs off after a failure."""
        if (ref, Purpose.RETRY) not in self._timers:
            self.add(ref)

    def check(self, ref: Ref) -> None:
        """Reconcile the object as soon as possible, and read the key's Secret too, which no watch shows."""
        self._checks.add(ref)
        self.add(ref)

    def add_at(self, ref: Ref, when: float | None, purpose: Purpose, lane: Lane | None = None) -> None:
        """Reconcile the object at `when` on the loop's clock. This replaces the purpose's time, and None cancels it."""
        self._cancel(ref, purpose)
        if when is not None:
            self._timers[ref, purpose] = self._loop.call_at(when, self._fire, ref, purpose, lane)

    def settle(self, ref: Ref) -> None:
        """Reconcile the object one second after the last call, but at most ten seconds after the first."""
        if ref in self._since:
            return
        now = self._loop.time()
        first = self._settling.get(ref, now)
        self.add_at(ref, min(now + QUIET_SECONDS, first + LONGEST_DELAY_SECONDS), Purpose.SETTLE)
        self._settling[ref] = first

    def start(
        self,
        work: Callable[[Item], Awaitable[None]],
        *,
        workers: int,
        reserved: int = 0,
        turn: Callable[[], Awaitable[None]] = _at_once,
    ) -> list[asyncio.Task[None]]:
        """Start so many workers, which run until the queue is drained or they are cancelled.

        So many of them are reserved for objects that end something. A worker waits for its `turn` before it takes an
        object, so that no object waits behind it. `work` must not raise. It handles a failure itself, with `back_off`.
        """
        least = [Lane.ENDS if number < reserved else max(Lane) for number in range(workers)]
        return [
            asyncio.create_task(self._work(work, lane, turn), name=f"worker {number}")
            for number, lane in enumerate(least)
        ]

    def begin_draining(self) -> None:
        """Start no more reconciliations."""
        self._draining = True

    async def drain(self, seconds: float) -> None:
        """Start no more reconciliations, and wait at most so many seconds for those under way."""
        self.begin_draining()
        if self._active:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), seconds)

    def back_off(self, item: Item, at_least: float = 0.0) -> float:
        """Retry the object after a delay that grows with each failure, and return the delay in seconds."""
        ref = item.ref
        if item.checked:
            self._checks.add(ref)
        failures = self._failures.get(ref, 0)
        self._failures[ref] = failures + 1
        delay = max(
            at_least, min(FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, _MOST_DOUBLINGS), LONGEST_BACKOFF_SECONDS)
        )
        self.add_at(ref, self._loop.time() + delay, Purpose.RETRY, item.lane)
        return delay

    def failures(self, ref: Ref) -> int:
        """Number of the object's consecutive failed attempts."""
        return self._failures.get(ref, 0)

    def succeed(self, ref: Ref) -> None:
        """Forget the object's failures, and cancel its retry."""
        self._failures.pop(ref, None)
        self._cancel(ref, Purpose.RETRY)

    def forget(self, ref: Ref) -> None:
        """Cancel all later reconciliations of an object that doesn't exist any more."""
        for purpose in Purpose:
            self._cancel(ref, purpose)
        self._failures.pop(ref, None)
        self._checks.discard(ref)

    def __len__(self) -> int:
        return len(self._since)

    def waiting(self, lane: Lane) -> int:
        """Number of objects that wait in a lane."""
        return self._ready.count(lane)

    @property
    def oldest_seconds(self) -> float:
        """Seconds for which the oldest object has waited or been worked on. 0 if the queue is empty."""
        now = self._loop.time()
        return now - min([*self._waiting.values(), *self._active.values()], default=now)

    @property
    def retrying(self) -> int:
        """Number of objects whose latest attempt failed."""
        return len(self._failures)

    async def _work(
        self, work: Callable[[Item], Awaitable[None]], least: Lane, turn: Callable[[], Awaitable[None]]
    ) -> None:
        while True:
            await turn()
            ref, lane = await self._ready.get(least)
            if self._draining:
                return
            item = Item(ref, self._since.pop(ref), ref in self._checks, lane)
            self._checks.discard(ref)
            self._active[ref] = self._waiting.pop(ref)
            self._idle.clear()
            try:
                await work(item)
            finally:
                del self._active[ref]
                self._ready.release(ref)
                if not self._active:
                    self._idle.set()

    def _fire(self, ref: Ref, purpose: Purpose, lane: Lane | None) -> None:
        self._cancel(ref, purpose)
        self.add(ref, lane)

    def _cancel(self, ref: Ref, purpose: Purpose) -> None:
        timer = self._timers.pop((ref, purpose), None)
        if timer is not None:
            timer.cancel()
        if purpose is Purpose.SETTLE:
            self._settling.pop(ref, None)
