"""Parses moments as people write them: an instant, or how long ago it was."""

import re
from datetime import UTC, datetime, timedelta

from tenure.domain import durations

MEANING = "a time with its zone, for example 2027-02-22T08:30:00Z, or how long ago, for example 2h"


def parse_moment(text: str) -> datetime | timedelta:
    """Parse an instant into a time in UTC, or how long ago it was into a duration.

    Raises:
        ValueError: `text` is neither.
    """
    if re.fullmatch(durations.PATTERN, text):
        return durations.parse_duration(text)
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment.tzinfo is not None and "T" in text.upper():
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text!r} isn't a time. Write {MEANING}")
