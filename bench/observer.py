"""When each object of a collection came to a state, seen by a watch of the benchmark's own."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from bench.api import Api, RequestFailedError

Condition = Callable[[Mapping[str, Any]], bool]


def is_ready(event: Mapping[str, Any]) -> bool:
    """Whether a watch event shows an object with Ready=True."""
    conditions = (event["object"].get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def is_rotated(event: Mapping[str, Any]) -> bool:
    """Whether a watch event shows a key whose former token is valid beside the present one."""
    return "previous" in (event["object"].get("status") or {})


def is_gone(event: Mapping[str, Any]) -> bool:
    """Whether a watch event says that an object was deleted."""
    return bool(event["type"] == "DELETED")


class Observer:
    """Notes for each object the moment at which it first met a condition; an asynchronous context manager."""

    def __init__(self, api: Api, path: str, condition: Condition) -> None:
        self._api, self._path, self._condition = api, path, condition
        self._open, self._news = asyncio.Event(), asyncio.Event()
        self.moments: dict[str, float] = {}
        """By name, on the monotonic clock."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._observe())
        opened = asyncio.create_task(self._open.wait())
        await asyncio.wait({opened, self._task}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        self._raise_failure()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def reached(self, count: int, *, within: float) -> bool:
        """Wait until so many objects met the condition; False if they didn't within so many seconds."""
        deadline = time.monotonic() + within
        while len(self.moments) < count:
            self._raise_failure()
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), min(left, 1.0))
        return True

    async def require(self, count: int, *, within: float) -> None:
        """Wait as `reached` does; raise `TimeoutError` where it takes longer."""
        if not await self.reached(count, within=within):
            raise TimeoutError(f"{self._path}: {len(self.moments):,} of {count:,} objects after {within:.0f} s")

    async def _observe(self) -> None:
        """Watch, and watch on where the server ends it, as it does with a client that is too slow for it."""
        version = await self._api.version(self._path)
        while True:
            async with self._api.watch(self._path, version) as events:
                self._open.set()
                async for event in events:
                    version = self._note(event)

    def _note(self, event: Mapping[str, Any]) -> str:
        """Note what an event shows, and return its resourceVersion."""
        if event["type"] == "ERROR":
            raise RequestFailedError(f"watch of {self._path}: {event['object']}")
        metadata = event["object"]["metadata"]
        if metadata["name"] not in self.moments and self._condition(event):
            self.moments[metadata["name"]] = time.monotonic()
            self._news.set()
        return str(metadata["resourceVersion"])

    def _raise_failure(self) -> None:
        if self._task.done():
            self._task.result()
