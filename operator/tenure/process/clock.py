"""This machine's clock, which every program takes as a parameter so that tests can set it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)
