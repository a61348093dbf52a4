"""How far the API server's store has come, and whether it went back, as it does when etcd is restored from a backup."""

from dataclasses import dataclass
from enum import Enum, auto


class Step(Enum):
    """How a version compares with the one before."""

    SAME = auto()
    NEWER = auto()
    WENT_BACK = auto()


@dataclass
class StoreVersion:
    """The resourceVersion that the store had come to when it was last looked at.

    Attributes:
        number: The version; -1: it was never looked at.
    """

    number: int = -1

    def advance(self, number: int) -> Step:
        """Take in the version of a later look, and say how it compares.

        Only versions of consistent lists tell this: an answer from a cache may be of before.
        """
        before, self.number = self.number, number
        if number == before:
            return Step.SAME
        return Step.NEWER if number > before else Step.WENT_BACK
