"""Proof that the index is fresh: a watch that is silent may be dead, and looks the same as one with nothing to tell.

A consistent list of one object names the version that the store has come to. Once the watch has told all up to that
version, everything that was stored before the list is in the index.
"""

from collections import deque
from collections.abc import Iterable

from tenure.domain.store_version import Step, StoreVersion


class Freshness:
    """How old the latest proof is, for each of some feeds; moments are of one monotonic clock, in seconds."""

    def __init__(self, feeds: Iterable[str]) -> None:
        self._reached: dict[str, int] = dict.fromkeys(feeds, -1)
        self._proven: dict[str, float] = dict.fromkeys(self._reached, float("-inf"))
        self._waiting: dict[str, deque[tuple[int, float]]] = {feed: deque() for feed in self._reached}

    def reach(self, feed: str, version: int) -> None:
        """A feed has told all up to a version."""
        self._reached[feed] = max(self._reached[feed], version)
        waiting = self._waiting[feed]
        while waiting and waiting[0][0] <= self._reached[feed]:
            self._proven[feed] = max(self._proven[feed], waiting.popleft()[1])

    def begin(self, feed: str, version: int, at: float) -> None:
        """A feed has told everything anew, from a list that was asked for at a moment."""
        self._reached[feed] = version
        self._proven[feed] = at
        self._waiting[feed].clear()

    def proven(self, feed: str) -> float:
        """The moment up to which all that happened to a feed is proved to be known; minus infinity for none."""
        return self._proven[feed]

    def reached(self, feed: str) -> int:
        """The version up to which a feed has told all; -1 before its first list."""
        return self._reached[feed]

    def went_back(self, feed: str, version: int) -> bool:
        """Whether a list shows a store that hasn't come as far as the feed had."""
        return StoreVersion(self._reached[feed]).advance(version) is Step.WENT_BACK

    def ask(self, feed: str, version: int, at: float, *, reached: int) -> bool:
        """The store had come to a version at a moment, when the feed had reached another one.

        False: the store has gone back, as it does when it is restored, so nothing known is true any more.
        """
        if StoreVersion(reached).advance(version) is Step.WENT_BACK:
            return False
        self._waiting[feed].append((version, at))
        self.reach(feed, self._reached[feed])
        return True

    def forget(self, feed: str) -> None:
        """Nothing is proved of a feed any more, until it has told everything anew."""
        self._reached[feed], self._proven[feed] = -1, float("-inf")
        self._waiting[feed].clear()

    def age(self, now: float) -> float:
        """Seconds since the oldest of the feeds' latest proofs; infinity before the first ones."""
        return now - min(self._proven.values())
