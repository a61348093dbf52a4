"""Runs a process until SIGTERM or SIGINT, and exits."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from tenure.errors import LeadershipLostError, TaskFailedError, WatchEndedError
from tenure.process.garbage import keep_collections_short

READY = "Tenure is ready"

T = TypeVar("T")


def take_signals(handle: Callable[[], None]) -> None:
    """Call `handle` on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, handle)


async def result_before(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of some work, or cancel it and return None if `stop` is set first."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        return None
    return task.result()


async def done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do some work, and return whether it finished before `stop` was set."""

    async def done() -> bool:
        await work
        return True

    return bool(await result_before(stop, done()))


def run_to_end(main: Callable[[], Awaitable[None]]) -> None:
    """Run `main` in an event loop of its own, and then exit the process at once.

    Kopf may have left tasks that can't be cancelled, and Python takes longer to unload its modules than the rest of the
    stop takes.
    """
    keep_collections_short()
    asyncio.run(_run_to_end(main))


async def _run_to_end(main: Callable[[], Awaitable[None]]) -> None:
    try:
        await main()
    except (WatchEndedError, LeadershipLostError, TaskFailedError) as error:
        sys.stderr.write(f"tenure: {error}\n")
        code = 1
    else:
        code = 0
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
