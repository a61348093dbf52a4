"""Until the signal: what a process does before SIGTERM or SIGINT, and no longer."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

READY = "Tenure is ready"

T = TypeVar("T")


def take_signals(handle: Callable[[], None]) -> None:
    """Call `handle` on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, handle)


async def result_before(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of some work; None: `stop` came first, and the work was ended."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        return None
    return task.result()


async def done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do some work, unless `stop` comes first."""

    async def done() -> bool:
        await work
        return True

    return bool(await result_before(stop, done()))
