"""Parses durations as Kubernetes writes them, for example `2160h` or `1h30m`: hours, minutes and seconds, not days."""

import functools
import re
from datetime import timedelta

PATTERN = r"^([0-9]{1,5}(h|m|s)){1,3}$"

MEANING = "hours, minutes and seconds of at most 5 digits each, for example 2160h or 1h30m (30 days are 720h)"
MAX_LENGTH = 18

_PART = re.compile(r"([0-9]+)([hms])")
_UNITS = {"h": "hours", "m": "minutes", "s": "seconds"}


@functools.lru_cache
def parse_duration(text: str) -> timedelta:
    """Parse a duration such as `1h30m`.

    Raises:
        ValueError: `text` doesn't match `PATTERN`.
    """
    if re.fullmatch(PATTERN, text) is None:
        raise ValueError(f"{text!r} isn't a duration. Write {MEANING}")
    return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in _PART.findall(text)), start=timedelta())
