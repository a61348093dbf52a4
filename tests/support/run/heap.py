"""The heap before and after many objects came and went, to see whether something keeps a part of each."""

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

BYTES_AN_OBJECT = 8
"""How much may stay for each object that is gone. An entry of a dictionary has more, even with an empty value."""

NOISE = 20_000
"""By how many bytes the heap differs anyway, because dictionaries keep the room of what was deleted."""

_LINES = 8


class Heap:
    """The heap since a moment."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Compare with the heap of now, because what is made once has been made."""
        gc.collect()
        self._before = tracemalloc.take_snapshot()
        self._bytes = tracemalloc.get_traced_memory()[0]

    def check(self, objects: int) -> int:
        """Return by how much it has grown, and fail with the places if that is something for each object."""
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - self._bytes
        if grown > NOISE + objects * BYTES_AN_OBJECT:
            places = tracemalloc.take_snapshot().compare_to(self._before, "lineno")[:_LINES]
            raise AssertionError(f"{grown} bytes for {objects} objects:\n" + "\n".join(map(str, places)))
        return grown


@contextmanager
def traced() -> Iterator[Heap]:
    """Trace the heap while the block runs."""
    tracemalloc.start()
    try:
        yield Heap()
    finally:
        tracemalloc.stop()
