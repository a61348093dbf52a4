"""Keeps Python's garbage collector from stopping the event loop for long."""

import gc
import time
from collections.abc import Callable

LONGEST_SECONDS = 0.02
"""CPU time of a full collection above which the objects that are left aren't looked at again."""

_OLDEST = 2


def keep_collections_short(clock: Callable[[], float] = time.thread_time) -> None:
    """Exempt what is imported from collections, and the objects that a long full collection has left from later ones.

    A full collection looks at every object, and nothing else happens meanwhile. With 100,000 keys in the cache it takes
    a second, and it happens each time when the cache has grown by a quarter. The objects of the cache need no
    collection: they have no cycles, so Python frees them at once when they are replaced. Cycles among the exempted
    objects are never freed, but they are exempted only while the process takes in many objects.
    """
    began = 0.0

    def after(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if info["generation"] != _OLDEST:
            return
        if phase == "start":
            began = clock()
        elif clock() - began > LONGEST_SECONDS:
            gc.freeze()

    gc.freeze()
    gc.callbacks.append(after)
