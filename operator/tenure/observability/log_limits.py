"""Writes at most one log line a minute for each cause, with the number of lines that it held back."""

import logging
import time
from collections.abc import Hashable

from tenure.errors import ApiError, ForbiddenError, UnavailableError

INTERVAL_SECONDS = 60.0
MOST_CAUSES = 1000
"""Maximum number of causes that are remembered. With more, the one whose line is oldest is forgotten."""


class LineLimiter:
    """Decides which lines are written. Times are seconds of one monotonic clock."""

    def __init__(self, seconds: float = INTERVAL_SECONDS) -> None:
        self._seconds = seconds
        self._written: dict[Hashable, tuple[float, int]] = {}

    def admit(self, cause: Hashable, now: float) -> int | None:
        """Return how many lines of a cause were held back since its latest one, or None if this one is held back."""
        known = self._written.get(cause)
        if known is not None and now - known[0] < self._seconds:
            self._written[cause] = known[0], known[1] + 1
            return None
        self._written.pop(cause, None)  # It moves to the end, so that the first one is the oldest.
        self._written[cause] = now, 0
        if len(self._written) > MOST_CAUSES:
            del self._written[next(iter(self._written))]
        return 0 if known is None else known[1]

    def forget(self) -> None:
        """Forget all causes, so that the next line of each is written."""
        self._written.clear()


LIMITER = LineLimiter()
"""The limiter of the process."""


def warn_once_a_minute(log: logging.Logger, cause: Hashable, message: str, *args: object) -> None:
    """Log a warning, unless one of the same message and cause was logged within the last minute.

    The next one says how many were held back. With `--log-level=debug` all of them are logged.
    """
    held_back = LIMITER.admit((log.name, message, cause), time.monotonic())
    if held_back is None:
        log.debug(message, *args)
    elif held_back:
        log.warning(f"{message} (%d more like this since the last such line)", *args, held_back)  # noqa: G004
    else:
        log.warning(message, *args)


def cause_of(error: Exception, *details: Hashable) -> Hashable:
    """Return what tells the cause of an error from others.

    If the API server is away or lacks a right, all objects fail for the same cause. Any other error is about one
    object. So it is a cause of its own, with the `details` that name the object.
    """
    if isinstance(error, UnavailableError | ForbiddenError):
        return type(error).__name__, error.status, error.reason
    status = error.status if isinstance(error, ApiError) else 0
    return type(error).__name__, status, *details
