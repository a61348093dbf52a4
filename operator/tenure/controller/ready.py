"""The objects that are ready to be worked on, in lanes."""

import asyncio
from collections import Counter, deque

from tenure.controller.lanes import Lane
from tenure.controller.refs import Ref

TURN_OF_THE_OLDEST = 8
"""Each eighth object is the one at the head of a lane that has waited longest, so that no lane waits forever."""


class Ready:
    """Hands out each object once: those of the most urgent lane first, and in a lane in their order."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[tuple[int, Ref]]] = {lane: deque() for lane in Lane}
        self._waiting: dict[Ref, tuple[Lane, int]] = {}
        """The lane and the place of each object. Other entries of it in a deque are out of date."""
        self._held: set[Ref] = set()
        self._counts = Counter[Lane]()
        self._places = 0
        self._taken = 0
        self._idle: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}

    def put(self, ref: Ref, lane: Lane, *, held: bool = False) -> None:
        """Add an object, unless it waits in this lane or a more urgent one. If it is held, it waits for `release`."""
        if (known := self._waiting.get(ref)) is not None:
            if known[0] <= lane:
                return
            self._counts[known[0]] -= 1
        self._places += 1
        self._waiting[ref] = lane, self._places
        self._counts[lane] += 1
        if held:
            self._held.add(ref)
        if ref not in self._held:
            self._offer(ref)

    def release(self, ref: Ref) -> None:
        """Hand out an object that was held, if there is one."""
        if ref in self._held:
            self._held.remove(ref)
            self._offer(ref)

    async def get(self, least: Lane) -> tuple[Ref, Lane]:
        """Wait for an object of a lane that is at least as urgent as `least`, and take it."""
        while (found := self._take(least)) is None:
            idle = asyncio.get_running_loop().create_future()
            self._idle[least].append(idle)
            await idle
        return found

    def count(self, lane: Lane) -> int:
        """Number of objects that wait in a lane."""
        return self._counts[lane]

    def _offer(self, ref: Ref) -> None:
        lane, place = self._waiting[ref]
        self._lanes[lane].append((place, ref))
        for least in reversed(Lane):  # A worker that takes everything comes first, and the reserved ones stay free.
            while least >= lane and self._idle[least]:
                idle = self._idle[least].popleft()
                if not idle.done():
                    idle.set_result(None)
                    return

    def _take(self, least: Lane) -> tuple[Ref, Lane] | None:
        heads = [(place, lane) for lane in Lane if lane <= least and (place := self._head(lane)) is not None]
        if not heads:
            return None
        self._taken += 1
        _, lane = min(heads) if self._taken % TURN_OF_THE_OLDEST == 0 else heads[0]
        _, ref = self._lanes[lane].popleft()
        del self._waiting[ref]
        self._counts[lane] -= 1
        return ref, lane

    def _head(self, lane: Lane) -> int | None:
        """The place of the first object of a lane. Entries that are out of date are dropped."""
        entries = self._lanes[lane]
        while entries:
            place, ref = entries[0]
            if self._waiting.get(ref) == (lane, place):
                return place
            entries.popleft()
        return None
