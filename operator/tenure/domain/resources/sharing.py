"""Keeps equal values as one object, because there may be 100,000 objects with the same ones."""

import functools
import sys
from datetime import datetime

from pydantic import AfterValidator


@functools.lru_cache(maxsize=1024)
def shared_time(moment: datetime) -> datetime:
    """Return one object for equal times. The times in an object are mostly of the same second."""
    return moment


def _intern(text: str) -> str:
    return sys.intern(text) if type(text) is str else text


SHARED = AfterValidator(_intern)
"""For fields whose texts repeat in many objects, for example the name of a member in all of its keys."""
