"""Prove that the index is fresh, because a watch that delivers no events may be dead or just have no events.

A consistent list of one object has the resourceVersion of the whole store. Once the watch has delivered everything up
to that version, everything that was stored before the list is in the index.
"""

from collections import deque
from collections.abc import Hashable, Iterable

from tenure.domain.store_version import went_back


class Freshness:
    """Computes the age of the latest proof of each feed. All moments are seconds of the same monotonic clock."""

    def __init__(self, feeds: Iterable[Hashable]) -> None:
        self._reached: dict[Hashable, int] = dict.fromkeys(feeds, -1)
        self._proven: dict[Hashable, float] = dict.fromkeys(self._reached, float("-inf"))
        self._waiting: dict[Hashable, deque[tuple[int, float]]] = {feed: deque() for feed in self._reached}

    def reach(self, feed: Hashable, version: int) -> None:
        """Record that a feed has delivered everything up to a version."""
        self._reached[feed] = max(self._reached[feed], version)
        waiting = self._waiting[feed]
        while waiting and waiting[0][0] <= self._reached[feed]:
            self._proven[feed] = max(self._proven[feed], waiting.popleft()[1])

    def begin(self, feed: Hashable, version: int, at: float) -> None:
        """Record that a feed has delivered a new list of everything, which was requested at a moment."""
        self._reached[feed] = version
        self._proven[feed] = at
        self._waiting[feed].clear()

    def proven(self, feed: Hashable) -> float:
        """Return the moment of a feed's latest proof, or minus infinity if there is none.

        Everything that was stored before that moment has been delivered.
        """
        return self._proven[feed]

    def reached(self, feed: Hashable) -> int:
        """Return the version up to which a feed has delivered everything, or -1 before its first list."""
        return self._reached[feed]

    def went_back(self, feed: Hashable, version: int) -> bool:
        """Tell whether the version of a list is lower than the one that the feed has reached."""
        return went_back(self._reached[feed], version)

    def ask(self, feed: Hashable, version: int, at: float, *, reached: int) -> bool:
        """Record the version that a consistent list showed, which was requested at a moment.

        `reached` is the version that the feed had reached before the request. If it is higher than the list's version,
        the store was restored from a backup and the index is invalid. Then False is returned, and nothing is recorded.
        """
        if went_back(reached, version):
            return False
        self._waiting[feed].append((version, at))
        self.reach(feed, self._reached[feed])
        return True

    def forget(self, feed: Hashable) -> None:
        """Discard the proof of a feed until it has delivered a new list."""
        self._reached[feed], self._proven[feed] = -1, float("-inf")
        self._waiting[feed].clear()

    def age(self, feeds: Iterable[Hashable], now: float) -> float:
        """Return the seconds since the oldest of some feeds' latest proofs, or infinity while one of them has none."""
        return now - min(self._proven[feed] for feed in feeds)
