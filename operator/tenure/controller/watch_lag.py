"""Whether the watches tell what happens: a silent watch may be dead, and looks the same as one with nothing to tell.

What lists, reads and our own writes show, the watch of the kind must tell too, a little earlier or later. Kopf keeps
the bookmarks to itself, so this is the proof there is.
"""

from collections.abc import Mapping

from tenure.controller.refs import Ref
from tenure.domain.resources import KINDS, Resource


class Watches:
    """What the watch of each kind is yet to tell; moments are of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        # In the order in which it was learned, so that the first is the oldest.
        self._untold: Mapping[type[Resource], dict[Ref, tuple[int, float]]] = {kind: {} for kind in KINDS}
        self._told_at: dict[type[Resource], float] = {}

    def expect(self, ref: Ref, version: int, at: float) -> None:
        """A version of an object became known at a moment, and not by the watch."""
        untold = self._untold[ref.resource]
        _, since = untold.get(ref, (version, at))
        untold[ref] = (version, since)

    def tell(self, ref: Ref, version: int, at: float) -> None:
        """The watch told a version of an object."""
        self._told_at[ref.resource] = at
        known = self._untold[ref.resource].get(ref)
        if known is not None and known[0] <= version:
            del self._untold[ref.resource][ref]

    def forget(self, ref: Ref) -> None:
        """An object is gone, so nothing more will be told of it."""
        self._untold[ref.resource].pop(ref, None)

    def told_at(self, kind: type[Resource]) -> float | None:
        """When the watch of a kind last told anything; None: it never did."""
        return self._told_at.get(kind)

    def lag(self, kind: type[Resource], now: float) -> float:
        """For how many seconds something has been known that the watch of a kind hasn't told; 0: there is nothing."""
        return max(now - next((since for _, since in self._untold[kind].values()), now), 0.0)
