"""Words the use of a key for people, and sorts unused keys into the buckets of the metric."""

from datetime import UTC, datetime, timedelta

from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.base import format_time
from tenure.domain.resources.stamp import FormerToken
from tenure.domain.usage.recording import is_known, unused_since

NEVER = "never"
_SPANS = {"90d": timedelta(days=90), "30d": timedelta(days=30), "7d": timedelta(days=7)}

BUCKETS = (NEVER, *reversed(_SPANS))
"""How long keys have been unused, as the metric counts them. Each key is in one bucket at most."""


def describe_use(key: ApiKey, organization: Organization | None, now: datetime) -> str:
    """Return when a key and its former token were last used, e.g. `used today`, or empty if that isn't known."""
    former = key.status.previous
    former_use = describe_former_use(former) if former is not None and former.ends_at > now else ""
    return ", ".join(filter(None, (_describe_day(key, organization, now), former_use)))


def describe_former_use(former: FormerToken) -> str:
    """Return when a former token was last used, or empty if no use is known.

    It doesn't say that the token wasn't used since, because nobody may have asked.
    """
    if former.last_used_at is None:
        return ""
    return f"former token last seen in use at {format_time(former.last_used_at)}"


def _describe_day(key: ApiKey, organization: Organization | None, now: datetime) -> str:
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
