"""Measures whether the watches deliver all changes, because a dead watch looks the same as one without news.

The watch of a kind must deliver each change that a list, a read or Tenure's own write shows, a little earlier or later.
Kopf hides bookmarks, so there is no other proof.
"""

from collections.abc import Mapping

from tenure.controller.refs import Ref
from tenure.domain.resources import KINDS, Resource


class Watches:
    """Records what the watch of each kind hasn't delivered yet. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        # In the order of `expect`, so that the first is the oldest.
        self._untold: Mapping[type[Resource], dict[Ref, tuple[int, float]]] = {kind: {} for kind in KINDS}
        self._told_at: dict[type[Resource], float] = {}

    def expect(self, ref: Ref, version: int, at: float) -> None:
        """Expect from the watch a version of an object that a list, a read or a write showed at a time."""
        untold = self._untold[ref.resource]
        _, since = untold.get(ref, (version, at))
        untold[ref] = (version, since)

    def tell(self, ref: Ref, version: int, at: float) -> None:
        """Record that the watch delivered a version of an object."""
        self._told_at[ref.resource] = at
        known = self._untold[ref.resource].get(ref)
        if known is not None and known[0] <= version:
            del self._untold[ref.resource][ref]

    def forget(self, ref: Ref) -> None:
        """Expect no more events of an object, because it is deleted."""
        self._untold[ref.resource].pop(ref, None)

    def told_at(self, kind: type[Resource]) -> float | None:
        """When the watch of a kind last delivered an event, or None if it never did."""
        return self._told_at.get(kind)

    def lag(self, kind: type[Resource], now: float) -> float:
        """Seconds since the oldest change that the watch of a kind hasn't delivered. 0 if it has delivered all."""
        return max(now - next((since for _, since in self._untold[kind].values()), now), 0.0)
