"""A memory of the latest things, of bounded size."""

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

SIZE = 16_384


class Recent(Generic[T]):
    """The latest `SIZE` things that were added; the oldest are forgotten."""

    def __init__(self) -> None:
        self._things: dict[T, None] = {}

    def add(self, thing: T) -> None:
        """Remember a thing."""
        self._things[thing] = None
        while len(self._things) > SIZE:
            del self._things[next(iter(self._things))]

    def discard(self, thing: T) -> None:
        """Forget a thing."""
        self._things.pop(thing, None)

    def __contains__(self, thing: T) -> bool:
        return thing in self._things
