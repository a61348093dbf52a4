"""How far the API server's store has come, and whether it went back, as it does when etcd is restored from a backup."""

from dataclasses import dataclass


def went_back(before: int, after: int) -> bool:
    """Return whether the store went back between two consistent lists with these resourceVersions.

    An answer from a cache or from a watch proves no restore, because it may be older than the store.
    """
    return after < before


@dataclass
class StoreVersion:
    """The resourceVersion of the latest consistent list.

    Attributes:
        number: The resourceVersion, or -1 before the first list.
    """

    number: int = -1

    def advance(self, number: int) -> bool:
        """Record the resourceVersion of another consistent list, and return whether the store went back."""
        before, self.number = self.number, number
        return went_back(before, number)
