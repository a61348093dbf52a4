"""A set of bounded size that keeps the latest items."""

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

SIZE = 16_384


class Recent(Generic[T]):
    """A set of the last `SIZE` items that were added. Older ones are dropped."""

    def __init__(self) -> None:
        self._things: dict[T, None] = {}

    def add(self, thing: T) -> None:
        """Add an item, and drop the oldest ones if there are too many."""
        self._things[thing] = None
        while len(self._things) > SIZE:
            del self._things[next(iter(self._things))]

    def discard(self, thing: T) -> None:
        """Remove an item, if it is in the set."""
        self._things.pop(thing, None)

    def __contains__(self, thing: T) -> bool:
        return thing in self._things
