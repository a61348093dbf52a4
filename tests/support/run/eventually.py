"""Wait for a state, with a deadline; nothing in the tests sleeps and hopes."""

import time
from collections.abc import Callable
from typing import TypeVar

from support.run.slowness import slowness, slowness_now

T = TypeVar("T")

PATIENCE = 3.0
"""Deadlines are at least so many times as long: a machine can be busy for a moment that no measurement sees."""


def eventually(
    check: Callable[[], T], *, within: float = 10.0, every: float = 0.05, describe: str = "the expected state"
) -> T:
    """Call `check` every `every` seconds until it returns something truthy, and return that.

    An exception counts as "not yet". After `within` seconds an AssertionError tells the last value or exception. These
    are seconds of a quiet machine: on a slow or busy one, as measured then, it takes longer.
    """
    began = time.monotonic()
    last_error: Exception | None = None
    while True:
        try:
            value = check()
        except Exception as error:  # noqa: BLE001  (whatever it is, the deadline reports it)
            last_error, seen = error, f"{type(error).__name__}: {error}"
        else:
            if value:
                return value
            last_error, seen = None, repr(value)
        # Looked at only now, so that whoever needn't wait for long needn't measure.
        if time.monotonic() >= began + within and _is_over(began, within):
            raise AssertionError(f"{describe}: not within {within:g} s; last seen: {seen}") from last_error
        time.sleep(every)


def _is_over(began: float, within: float) -> bool:
    """Whether the time is over that a wait of so many seconds may take here; a fresh look has the last word."""
    return all(time.monotonic() >= began + within * max(factor(), PATIENCE) for factor in (slowness, slowness_now))
