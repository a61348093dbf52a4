"""The record of use: the minute of each key's latest valid answer. It is in memory only, and holds no address."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tenure.domain.resources.base import format_time
from tenure.domain.usage.coverage import RETENTION

AUDIENCE = "tenure-usage"
"""Audience of the Kubernetes tokens of those who ask for the record."""

MOST_KEYS = 100_000
"""Maximum number of keys in the record."""

_MINUTE = 60
_REMEMBERED = RETENTION.total_seconds() // _MINUTE


class UsageRecord:
    """Remembers when keys were used, by the public id of their token."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._since = clock()
        self._used: dict[str, tuple[int, str]] = {}

    def note(self, key_id: str, namespace: str) -> None:
        """Record that a key was used now."""
        # This is in the path of every request: a tuple in a dictionary costs a fraction of a microsecond.
        self._used[key_id] = int(self._clock()) // _MINUTE, namespace
        if len(self._used) > MOST_KEYS:
            self._make_room()

    def read(self, namespace: str, since: int) -> Mapping[str, object]:
        """Return the keys of a namespace ("": of all) that were used in the minute `since` or later."""
        self._forget(_REMEMBERED)
        now = int(self._clock()) // _MINUTE
        uses = {
            key_id: _format(minute)
            for key_id, (minute, place) in self._used.items()
            if minute >= since and namespace in ("", place)
        }
        # The present minute isn't over, so the next question covers it again.
        return {
            "recordedSince": format_time(datetime.fromtimestamp(self._since, UTC)),
            "cursor": str(now),
            "keys": uses,
        }

    def _make_room(self) -> None:
        """Forget the keys of the past, which the controller has read long ago, or everything if there are too many."""
        self._forget(_MINUTE)
        if len(self._used) > MOST_KEYS:
            # Whoever reads the record sees that it begins anew, so nothing counts as unused that was forgotten.
            self._used, self._since = {}, self._clock()

    def _forget(self, minutes: float) -> None:
        first = int(self._clock()) // _MINUTE - minutes
        old = [key_id for key_id, (minute, _) in self._used.items() if minute < first]
        for key_id in old:
            del self._used[key_id]


def unite(records: Sequence[Mapping[str, Any]]) -> Mapping[str, object]:
    """Return the answers of several processes' records as one.

    It begins where the last of them begins, and the next question repeats what one of them may have answered earlier.
    So a use that one process doesn't know any more never counts as no use.
    """
    uses: dict[str, str] = {}
    for record in records:
        for key_id, at in record["keys"].items():
            uses[key_id] = max(at, uses.get(key_id, at))
    return {
        "recordedSince": max(record["recordedSince"] for record in records),
        "cursor": str(min(int(record["cursor"]) for record in records)),
        "keys": uses,
    }


@functools.lru_cache
def _format(minute: int) -> str:
    return format_time(datetime.fromtimestamp(minute * _MINUTE, UTC))
