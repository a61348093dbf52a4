"""The work queue: it deduplicates, runs one reconciliation per object at a time, backs off, and wakes at given times.

It works like client-go's: if an object is added during its reconciliation, it is reconciled once more afterwards.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

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
    """

    ref: Ref
    since: float
    checked: bool


class WorkQueue:
    """Objects to reconcile. Call all methods in the event loop's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Queue[Ref] = asyncio.Queue()
        self._since: dict[Ref, float] = {}
        self._waiting: dict[Ref, float] = {}
        self._active: dict[Ref, float] = {}
        self._timers: dict[tuple[Ref, Purpose], asyncio.TimerHandle] = {}
        self._settling: dict[Ref, float] = {}
        self._failures: dict[Ref, int] = {}
        self._checks: set[Ref] = set()
        self._idle = asyncio.Event()
        self._draining = False

    def add(self, ref: Ref) -> None:
        """Reconcile the object as soon as possible."""
        waits = ref in self._since
        self._since[ref] = self._loop.time()
        self._cancel(ref, Purpose.SETTLE)
        if not waits:
            self._waiting[ref] = self._since[ref]
        if not waits and ref not in self._active:
            self._ready.put_nowait(ref)

    def add_unless_backing_off(self, ref: Ref) -> None:
        """Reconcile the object as soon as possible, unless it backs off after a failure."""
        if (ref, Purpose.RETRY) not in self._timers:
            self.add(ref)

    def check(self, ref: Ref) -> None:
        """Reconcile the object as soon as possible, and read the key's Secret too, which no watch shows."""
        self._checks.add(ref)
        self.add(ref)

    def add_at(self, ref: Ref, when: float | None, purpose: Purpose) -> None:
        """Reconcile the object at `when` on the loop's clock. This replaces the purpose's time, and None cancels it."""
        self._cancel(ref, purpose)
        if when is not None:
            self._timers[ref, purpose] = self._loop.call_at(when, self._fire, ref, purpose)

    def settle(self, ref: Ref) -> None:
        """Reconcile the object one second after the last call, but at most ten seconds after the first."""
        if ref in self._since:
            return
        now = self._loop.time()
        first = self._settling.get(ref, now)
        self.add_at(ref, min(now + QUIET_SECONDS, first + LONGEST_DELAY_SECONDS), Purpose.SETTLE)
        self._settling[ref] = first

    def start(self, work: Callable[[Item], Awaitable[None]], *, workers: int) -> list[asyncio.Task[None]]:
        """Start so many workers, which run until the queue is drained or they are cancelled.

        `work` must not raise. It handles a failure itself, with `back_off`.
        """
        return [asyncio.create_task(self._work(work), name=f"worker {number}") for number in range(workers)]

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
        self.add_at(ref, self._loop.time() + delay, Purpose.RETRY)
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

    @property
    def oldest_seconds(self) -> float:
        """Seconds for which the oldest object has waited or been worked on. 0 if the queue is empty."""
        now = self._loop.time()
        return now - min([*self._waiting.values(), *self._active.values()], default=now)

    @property
    def retrying(self) -> int:
        """Number of objects whose latest attempt failed."""
        return len(self._failures)

    async def _work(self, work: Callable[[Item], Awaitable[None]]) -> None:
        while True:
            ref = await self._ready.get()
            if self._draining:
                return
            item = Item(ref, self._since.pop(ref), ref in self._checks)
            self._checks.discard(ref)
            self._active[ref] = self._waiting.pop(ref)
            self._idle.clear()
            try:
                await work(item)
            finally:
                del self._active[ref]
                if ref in self._since:
                    self._ready.put_nowait(ref)
                if not self._active:
                    self._idle.set()

    def _fire(self, ref: Ref, purpose: Purpose) -> None:
        self._cancel(ref, purpose)
        self.add(ref)

    def _cancel(self, ref: Ref, purpose: Purpose) -> None:
        timer = self._timers.pop((ref, purpose), None)
        if timer is not None:
            timer.cancel()
        if purpose is Purpose.SETTLE:
            self._settling.pop(ref, None)
