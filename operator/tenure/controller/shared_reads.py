"""Consistent reads, shared by all who may use the same one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_KEPT = 1024


@dataclass(frozen=True)
class Reading(Generic[V]):
    """The outcome of a read, and when it was started on the loop's clock."""

    value: V
    started: float


class SharedReads(Generic[K, V]):
    """Reads that are shared: whoever needs one that started after a given moment takes the latest that did."""

    def __init__(self, read: Callable[[K], Awaitable[V]]) -> None:
        self._read = read
        self._latest: dict[K, tuple[float, asyncio.Future[V]]] = {}

    async def get(self, key: K, since: float) -> Reading[V]:
        """The outcome of a read of `key` that started at `since` or later."""
        started, outcome = self._latest.get(key, (float("-inf"), None))
        if outcome is not None and started >= since:
            return await self._share(key, since, outcome, started)
        loop = asyncio.get_running_loop()
        started, outcome = loop.time(), loop.create_future()
        self._latest.pop(key, None)
        self._latest[key] = (started, outcome)
        self._forget_oldest()
        return Reading(await self._resolve(key, outcome), started)

    async def _share(self, key: K, since: float, outcome: asyncio.Future[V], started: float) -> Reading[V]:
        try:
            return Reading(await asyncio.shield(outcome), started)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not outcome.cancelled() or (task is not None and task.cancelling()):
                raise
            return await self.get(key, since)  # Whoever read gave up.

    async def _resolve(self, key: K, outcome: asyncio.Future[V]) -> V:
        """Read, and tell all who wait; a failure is told and not kept."""
        try:
            value = await self._read(key)
        except BaseException as error:
            if self._latest.get(key, (0.0, None))[1] is outcome:
                del self._latest[key]
            if isinstance(error, asyncio.CancelledError):
                outcome.cancel()
            else:
                outcome.set_exception(error)
                outcome.exception()  # It is raised here, whether or not anybody else waits.
            raise
        outcome.set_result(value)
        return value

    def _forget_oldest(self) -> None:
        while len(self._latest) > _KEPT:
            del self._latest[next(iter(self._latest))]
