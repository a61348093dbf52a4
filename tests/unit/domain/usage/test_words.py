"""How use is worded: unknown is never shown as not used."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from support.objects.builders import NOW, api_key, issued, membership, organization, rotated, with_status
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.usage.words import bucket, describe_use

DAY = timedelta(days=1)
TODAY = NOW.date()


def acme(since: datetime | None = NOW - 45 * DAY, until: date = TODAY) -> Organization:
    return organization(status={"usageSince": since and since.isoformat(), "usageUntil": until.isoformat()})


def key(last_used: date | None = None, **issue: Any) -> ApiKey:
    one = issued(api_key(), membership(), organization(), **issue)
    return with_status(one, one.status.model_copy(update={"last_used": last_used}))


OLD = acme(NOW - 300 * DAY)
SEEN = "former token last seen in use at 2027-02-22T07:58:00Z"


def beside(former: str = "F" * 12, *, used: bool = True, **other: Any) -> ApiKey:
    """A key that was used today, beside its former token."""
    used_at = datetime.fromisoformat("2027-02-22T07:58:00Z") if used else None
    return rotated(key(TODAY), former=former, former_used_at=used_at, **other)


@pytest.mark.parametrize(
    ("one", "org", "words", "counted"),
    [
        pytest.param(key(TODAY), acme(), "used today", None, id="today"),
        pytest.param(key(TODAY), acme(None), "used today", None, id="today, though not all is known"),
        pytest.param(key(TODAY - 3 * DAY), acme(), "last used 2027-02-19", None, id="this week"),
        pytest.param(key(TODAY - 9 * DAY), acme(), "last used 2027-02-13", "7d", id="last week"),
        pytest.param(key(TODAY - 40 * DAY), acme(), "last used 2027-01-13", "30d", id="last month"),
        pytest.param(key(TODAY - 40 * DAY), acme(NOW - 8 * DAY), "last used 2027-01-13", "7d", id="before the record"),
        pytest.param(key(TODAY - 40 * DAY), acme(None), "", None, id="unknown since"),
        pytest.param(key(TODAY - 40 * DAY), acme(until=TODAY - 2 * DAY), "", None, id="nobody looks any more"),
        pytest.param(key(TODAY - 40 * DAY), None, "", None, id="no organization"),
        pytest.param(key(), acme(), "not used since 2027-01-08", "never", id="never"),
        pytest.param(key(), acme(NOW - 3 * DAY), "not used since 2027-02-19", None, id="never, recorded for some days"),
        pytest.param(key(), acme(NOW), "", None, id="never, recorded since today"),
        pytest.param(key(), OLD, "not used since 2027-01-04", "never", id="never, since it was issued"),
        pytest.param(key(), acme(None), "", None, id="never, as far as is known"),
        pytest.param(key(reason="Suspended"), acme(), "", None, id="a key that doesn't work"),
        pytest.param(beside(), acme(), f"used today, {SEEN}", None, id="with its former token"),
        pytest.param(beside(used=False), acme(), "used today", None, id="of its former token no use is known"),
        pytest.param(beside(ends_at=NOW), acme(), "used today", None, id="its former token has expired"),
    ],
)
def test_what_is_said_about_a_keys_use(one: ApiKey, org: Organization | None, words: str, counted: str | None) -> None:
    assert describe_use(one, org, NOW) == words
    assert bucket(one, org, NOW) == counted


def test_a_key_that_was_used_long_ago_is_in_the_last_bucket() -> None:
    later = NOW + 100 * DAY
    known = organization(status={"usageSince": (NOW - 45 * DAY).isoformat(), "usageUntil": later.date().isoformat()})
    assert bucket(key(TODAY), known, later) == "90d"
