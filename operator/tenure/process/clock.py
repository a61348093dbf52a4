"""The clock of this machine. Programs take it as a parameter, so that tests can set the time."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(UTC)
