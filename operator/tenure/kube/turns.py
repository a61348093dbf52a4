"""Shares the connections of a client: work of which there may be much leaves some of them to everything else."""

import contextlib
from asyncio import Semaphore
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

_yields = ContextVar("yields", default=False)


@contextlib.contextmanager
def yielding(*, yields: bool = True) -> Iterator[None]:
    """While the block runs, its requests wait for each other, so that others find free connections."""
    before = _yields.set(yields)
    try:
        yield
    finally:
        _yields.reset(before)


class Turns:
    """Gives the requests of `yielding` blocks their turn, at most so many at once."""

    def __init__(self, at_once: int) -> None:
        self._turns = Semaphore(at_once)

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for a turn, if the request is one of those, and keep it while the block runs."""
        if not _yields.get():
            yield
            return
        async with self._turns:
            yield
