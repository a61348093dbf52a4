"""Runs tasks in the background. If one of them fails, the process says so and ends, instead of going on without it."""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Any

from tenure.errors import TaskFailedError

log = logging.getLogger("tenure")


@contextlib.asynccontextmanager
async def background(stop: asyncio.Event, *tasks: asyncio.Task[Any]) -> AsyncIterator[None]:
    """Let tasks run while the block runs, and then cancel them. If one fails before, log it and set `stop`.

    A task handles the errors that it expects itself, so another one is a bug. The program would lack a part that nobody
    notices, such as the renewal of its certificate. Kubernetes starts the process again.

    Raises:
        TaskFailedError: at the end of the block, if a task failed.
    """
    failures: list[TaskFailedError] = []

    def note(task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            failures.append(TaskFailedError(f"the task {task.get_name()} failed: {_describe(error)}"))
            log.error("Stopping, because %s", failures[-1])
            stop.set()

    for task in tasks:
        task.add_done_callback(note)
    try:
        yield
    finally:
        for task in tasks:
            task.remove_done_callback(note)  # The end isn't a failure, even if a task can't be cancelled cleanly.
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failures:
        raise failures[0]


@contextlib.asynccontextmanager
async def together(*tasks: asyncio.Task[None]) -> AsyncIterator[asyncio.Future[list[None]]]:
    """Let tasks run while the block runs, and then cancel them.

    The block gets a future that is done only if one of them fails, which is a bug.
    """
    working = asyncio.gather(*tasks)
    try:
        yield working
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(working, *tasks, return_exceptions=True)


def _describe(error: BaseException) -> str:
    """Return an error with the place where it was raised, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({PurePath(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{error!r}{where}"
