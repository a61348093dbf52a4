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
        self._latest: dict[K, tuple[float, asyncio.Task[V]]] = {}

    async def get(self, key: K, since: float) -> Reading[V]:
        """The outcome of a read of `key` that started at `since` or later."""
        started, task = self._latest.get(key, (float("-inf"), None))
        if task is None or started < since:
            started, task = asyncio.get_running_loop().time(), asyncio.ensure_future(self._start(key))
            self._latest.pop(key, None)
            self._latest[key] = (started, task)
            self._forget_oldest()
        try:
            return Reading(await asyncio.shield(task), started)
        except Exception:
            if self._latest.get(key, (0.0, None))[1] is task:
                del self._latest[key]
            raise

    async def _start(self, key: K) -> V:
        return await self._read(key)

    def _forget_oldest(self) -> None:
        while len(self._latest) > _KEPT:
            del self._latest[next(iter(self._latest))]
