"""The sizes of all collections that an object holds, to see whether one of them grows with what is gone."""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any
from weakref import WeakValueDictionary

_COLLECTIONS = (Mapping, AbstractSet, list, tuple, deque, WeakValueDictionary)


def sizes(root: object) -> Counter[str]:
    """Return the number of items in the collections of an object and of the objects that it has, by their path."""
    found = Counter[str]()
    _visit(root, type(root).__name__, found, set())
    return found


def _visit(thing: Any, path: str, found: Counter[str], seen: set[int]) -> None:
    if id(thing) in seen or isinstance(thing, str | bytes | type):
        return
    seen.add(id(thing))
    if isinstance(thing, asyncio.Queue):
        found[path] += thing.qsize()
    elif isinstance(thing, _COLLECTIONS):
        found[path] += len(thing)
        for one in [*thing.values()] if isinstance(thing, Mapping) else [*thing]:
            _visit(one, f"{path}[]", found, seen)
    elif type(thing).__module__.startswith("tenure."):
        for name, value in vars(thing).items() if hasattr(thing, "__dict__") else ():
            _visit(value, f"{path}.{name}", found, seen)
