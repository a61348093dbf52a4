"""Words the use of a key for people, and sorts unused keys into the buckets of the metric."""

from datetime import UTC, datetime, timedelta

from tenure.domain.resources import ApiKey, Organization
from tenure.domain.usage.recording import is_known, unused_since

NEVER = "never"
_SPANS = {"90d": timedelta(days=90), "30d": timedelta(days=30), "7d": timedelta(days=7)}

BUCKETS = (NEVER, *reversed(_SPANS))
"""How long keys have been unused, as the metric counts them. Each key is in one bucket at most."""


def describe_use(key: ApiKey, organization: Organization | None, now: datetime) -> str:
    """Return when a key was last used, e.g. `used today`, or empty if that isn't known."""
    today, last = now.astimezone(UTC).date(), key.status.last_used
    if last is not None and last >= today:
        return "used today"
    if not is_known(organization, now):
        return ""
    if last is not None:
        return f"last used {last}"
    since = unused_since(key, organization, now)
    return "" if since is None or since.date() >= today else f"not used since {since.date()}"


def bucket(key: ApiKey, organization: Organization | None, now: datetime) -> str | None:
    """Return for how long a working key has been unused, or None if it is in use, or if that isn't known."""
    since = unused_since(key, organization, now)
    if since is None:
        return None
    found = next((name for name, span in _SPANS.items() if now - since >= span), None)
    return NEVER if found is not None and key.status.last_used is None else found
