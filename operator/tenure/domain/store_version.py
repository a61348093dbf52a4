"""Detects that the API server's store went back, for example because etcd was restored from a backup."""

from dataclasses import dataclass
from enum import Enum, auto


class Step(Enum):
    """How a version compares with the previous one."""

    SAME = auto()
    NEWER = auto()
    WENT_BACK = auto()


@dataclass
class StoreVersion:
    """The resourceVersion of the store when it was last listed.

    Attributes:
        number: The version, or -1 before the first list.
    """

    number: int = -1

    def advance(self, number: int) -> Step:
        """Record the version of a later list, and return how it compares with the previous one.

        Pass only versions of consistent lists, because an answer from a cache may be older than the previous one.
        """
        before, self.number = self.number, number
        if number == before:
            return Step.SAME
        return Step.NEWER if number > before else Step.WENT_BACK
