"""What is written about use: rarely, once a day for each key, and never that a key is unused if that isn't known."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from support.objects.builders import (
    NOW,
    api_key,
    edited,
    issued,
    membership,
    organization,
    rotated,
    secret_facts,
    with_status,
)
from support.run.soak import Figure, size
from tenure.domain.planning.actions import EmitEvent, UpdateStatus
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.key_status import announced_status, new_stamp
from tenure.domain.planning.observation import Announced, ApiKeyObservation, SecretReading, Siblings
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.resources.organization import OrganizationStatus
from tenure.domain.resources.stamp import FormerToken
from tenure.domain.secret import template_digest
from tenure.domain.usage.coverage import Coverage, Knowledge
from tenure.domain.usage.recording import (
    KeyUse,
    day_to_write,
    is_known,
    offset,
    plan_key_use,
    plan_organization_use,
)

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
TODAY = NOW.date()
MIDNIGHT = datetime(2027, 2, 22, tzinfo=UTC)
EARLY, LATE = (
    next(uid for uid in map(str, range(100)) if (offset(uid) < NOW - MIDNIGHT) is early) for early in (True, False)
)
"""Uids of objects whose time of the day is over at NOW, and isn't."""

LONG_AGO = NOW - timedelta(days=45)


def acme(
    since: datetime | None = LONG_AGO, until: date | None = TODAY, unused_after: str | None = "720h"
) -> Organization:
    status: dict[str, Any] = {"usageSince": since and since.isoformat(), "usageUntil": until and until.isoformat()}
    return organization(keys={"unusedAfter": unused_after}, status=status)


def key(last_used: date | None = None, *, uid: str = EARLY, **issue: Any) -> ApiKey:
    one = issued(api_key(uid=uid), membership(), organization(), **issue)
    return with_status(one, one.status.model_copy(update={"last_used": last_used}))


def use(one: ApiKey, used_at: datetime | None = None, knowledge: Knowledge = Knowledge.KNOWN, **other: Any) -> KeyUse:
    return KeyUse(
        key=one, organization=other.pop("org", acme()), knowledge=knowledge, used_at=used_at, now=NOW, **other
    )


def written(plan: KeyUse) -> ApiKeyStatus:
    """The status after a plan was carried out."""
    statuses = [one.status for one in plan_key_use(plan).actions if isinstance(one, UpdateStatus)]
    assert all(isinstance(one, ApiKeyStatus) for one in statuses)
    return statuses[0] if statuses else plan.key.status  # type: ignore[return-value]


def reported(status: ApiKeyStatus) -> list[str]:
    return [one.message for one in status.conditions if one.type == "Unused" and one.status == "True"]


@pytest.mark.parametrize(
    ("stored", "used_at", "uid", "day"),
    [
        pytest.param(None, None, EARLY, None, id="never used"),
        pytest.param(None, NOW, LATE, TODAY, id="the first use is written at once"),
        pytest.param(TODAY - 9 * DAY, NOW, LATE, TODAY, id="one after a pause too"),
        pytest.param(TODAY - DAY, NOW, LATE, TODAY - DAY, id="one of a key in daily use waits for its time"),
        pytest.param(TODAY - DAY, NOW, EARLY, TODAY, id="which comes"),
        pytest.param(TODAY, NOW, EARLY, TODAY, id="again on the same day"),
        pytest.param(TODAY, NOW - 3 * DAY, EARLY, TODAY, id="an older use of another verifier"),
        pytest.param(TODAY - 2 * DAY, MIDNIGHT - MINUTE, LATE, TODAY - 2 * DAY, id="at the end of yesterday, it waits"),
        pytest.param(TODAY - 2 * DAY, MIDNIGHT - MINUTE, EARLY, TODAY - DAY, id="and is written as yesterday's"),
        pytest.param(None, NOW + 2 * DAY, EARLY, TODAY, id="a verifier's clock is ahead"),
    ],
)
def test_the_day_is_written_when_it_is_news_or_due(
    stored: date | None, used_at: datetime | None, uid: str, day: date | None
) -> None:
    assert day_to_write(stored, used_at, NOW, uid) == day
    assert written(use(key(stored, uid=uid), used_at)).last_used == day


@pytest.mark.soak
def test_a_day_in_use_is_one_write_for_each_key_spread_over_the_day(figure: Figure) -> None:
    """Ask every half hour for two days about keys that are always in use, as the leader does more often.

    Ask twice in the minute after a write, because the same day must not be written again.
    """
    keys = [key(TODAY - DAY, uid=str(number)) for number in range(size(short=100, soak=10_000))]
    writes: dict[str, list[datetime]] = {one.metadata.uid: [] for one in keys}
    for step in range(2 * 48):
        now = MIDNIGHT + 30 * step * MINUTE
        for place, one in enumerate(keys):
            done = writes[one.metadata.uid]
            seen = replace(use(one, now - MINUTE), now=now, written_today=bool(done) and done[-1].date() == now.date())
            status = written(seen)
            if status != one.status:
                done.append(now)
                keys[place] = with_status(one, status)
                again = replace(use(keys[place], now + MINUTE), now=now + MINUTE)
                assert written(again) == status, "with a new leader, who doesn't know when it was written"
    days = {(uid, moment.date()) for uid, moments in writes.items() for moment in moments}
    assert len(days) == sum(map(len, writes.values())) == 2 * len(keys)
    busiest = Counter(moment for moments in writes.values() for moment in moments).most_common(1)[0][1]
    assert busiest < len(keys) / 8
    figure(f"{len(keys):,} keys in use for two days: {len(days):,} writes, {busiest:,} at most in half an hour")


def test_a_key_is_written_once_a_day_even_if_it_is_used_at_midnight_and_at_noon() -> None:
    late = key(TODAY - DAY)
    assert written(use(late, NOW, written_today=True)) == late.status


@pytest.mark.parametrize(
    ("knowledge", "org", "one", "says"),
    [
        pytest.param(Knowledge.KNOWN, acme(), key(), ["Not used since 2027-01-08."], id="never used"),
        pytest.param(
            Knowledge.KNOWN, acme(), key(TODAY - 40 * DAY), ["Last used on 2027-01-13."], id="used a while ago"
        ),
        pytest.param(Knowledge.KNOWN, acme(), key(TODAY - 20 * DAY), [], id="used within the time"),
        pytest.param(Knowledge.KNOWN, acme(NOW - 29 * DAY), key(), [], id="recorded for a shorter time"),
        pytest.param(Knowledge.KNOWN, acme(NOW - 31 * DAY), key(), ["Not used since 2027-01-22."], id="and for longer"),
        pytest.param(Knowledge.KNOWN, acme(), key(at=NOW - DAY), ["Not used since 2027-01-08."], id="reissued lately"),
        pytest.param(Knowledge.KNOWN, acme(), key(reason="Suspended"), [], id="it doesn't work"),
        pytest.param(Knowledge.KNOWN, acme(unused_after=None), key(), [], id="nobody asked for it"),
        pytest.param(Knowledge.KNOWN, acme(until=TODAY - 2 * DAY), key(), [], id="nobody has looked since"),
        pytest.param(Knowledge.KNOWN, acme(None), key(), [], id="not recorded"),
        pytest.param(Knowledge.KNOWN, None, key(), [], id="no organization"),
        pytest.param(Knowledge.UNKNOWN, acme(), key(), [], id="a verifier is silent"),
        pytest.param(Knowledge.STARTING, acme(), key(), [], id="a new leader"),
        pytest.param(Knowledge.OFF, acme(), key(), [], id="turned off"),
    ],
)
def test_only_a_key_that_is_known_to_be_unused_is_reported(
    knowledge: Knowledge, org: Organization | None, one: ApiKey, says: list[str]
) -> None:
    found = reported(written(use(one, knowledge=knowledge, org=org)))
    assert [message.partition(" The ")[0] for message in found] == says


def former(**other: Any) -> ApiKey:
    """A key in daily use beside its former token."""
    return rotated(key(TODAY), former="f", **other)


@pytest.mark.parametrize(
    ("one", "rest", "minute"),
    [
        pytest.param(former(), {}, None, id="no use is known"),
        pytest.param(former(), {"former_used_at": NOW}, NOW, id="the first use is written at once"),
        pytest.param(former(), {"former_used_at": NOW + DAY}, NOW, id="a verifier's clock is ahead"),
        pytest.param(former(), {"former_used_at": NOW, "knowledge": Knowledge.UNKNOWN}, NOW, id="of one verifier"),
        pytest.param(former(), {"former_used_at": NOW, "knowledge": Knowledge.OFF}, None, id="turned off"),
        pytest.param(former(ends_at=NOW), {"former_used_at": NOW}, None, id="it has expired"),
        pytest.param(
            former(former_used_at=NOW - 4 * MINUTE), {"former_used_at": NOW}, NOW - 4 * MINUTE, id="again, too early"
        ),
        pytest.param(
            former(former_used_at=NOW - 6 * MINUTE),
            {"former_used_at": NOW, "former_written_at": NOW - 4 * MINUTE},
            NOW - 6 * MINUTE,
            id="written late, and too early to write again",
        ),
        pytest.param(
            former(former_used_at=NOW - 6 * MINUTE),
            {"former_used_at": NOW - 5 * MINUTE, "former_written_at": NOW - 5 * MINUTE},
            NOW - 5 * MINUTE,
            id="the last use, a minute after the one that was written",
        ),
        pytest.param(
            former(former_used_at=NOW - 9 * MINUTE), {"former_used_at": NOW - DAY}, NOW - 9 * MINUTE, id="an older use"
        ),
    ],
)
def test_the_minute_of_a_former_tokens_use_is_written_every_five_minutes(
    one: ApiKey, rest: dict[str, Any], minute: datetime | None
) -> None:
    previous = written(use(one, **rest)).previous
    assert previous is not None
    assert previous.last_used_at == (minute and minute.replace(second=0, microsecond=0))
    assert written(use(key(TODAY), **rest)).previous is None, "only while a former token is valid"


def test_a_former_token_in_use_for_a_day_is_at_most_one_write_in_five_minutes() -> None:
    one, writes = former(ends_at=NOW + DAY), list[datetime]()
    for minute in range(24 * 60 + 10):
        now = NOW + minute * MINUTE
        seen = use(one, former_used_at=now, former_written_at=writes[-1] if writes else None)
        after = with_status(one, written(replace(seen, now=now, written_today=True)))
        if after.status != one.status:
            writes.append(now)
        one = after
    assert len(writes) == 24 * 60 / 5
    assert all(later - earlier >= 5 * MINUTE for earlier, later in pairwise(writes))


def reported_key() -> ApiKey:
    return with_status(key(), written(use(key())))


@pytest.mark.parametrize(
    ("seen", "stays"),
    [
        pytest.param(use(reported_key()), True, id="still unused"),
        pytest.param(use(reported_key(), NOW), False, id="used again"),
        pytest.param(use(reported_key(), knowledge=Knowledge.UNKNOWN), False, id="a verifier is silent"),
        pytest.param(use(reported_key(), knowledge=Knowledge.STARTING), True, id="a new leader"),
        pytest.param(use(reported_key(), knowledge=Knowledge.OFF), False, id="turned off"),
        pytest.param(use(reported_key(), org=acme(unused_after=None)), False, id="nobody asks for it any more"),
    ],
)
def test_a_report_ends_when_it_is_no_longer_known_to_be_true(seen: KeyUse, *, stays: bool) -> None:
    assert bool(reported(written(seen))) is stays
    assert not [one for one in plan_key_use(seen).actions if isinstance(one, EmitEvent)]


def test_a_report_is_one_event_and_one_write() -> None:
    event, update = plan_key_use(use(key())).actions
    assert isinstance(event, EmitEvent)
    assert isinstance(update, UpdateStatus)
    assert (event.reason, event.note) == ("NotUsed", reported(written(use(key())))[0])
    assert "kubectl delete apikey ci-deploy -n acme" in event.note


COMPLETE = Coverage(NOW - DAY, 15 * MINUTE, complete_at=NOW)
SILENT = replace(COMPLETE, complete_at=NOW - 16 * MINUTE)
ANEW = NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    ("org", "coverage", "remembered", "since", "until"),
    [
        pytest.param(acme(None, None), None, None, None, None, id="off"),
        pytest.param(acme(), None, LONG_AGO, None, None, id="turned off"),
        pytest.param(acme(None, None), Coverage(NOW, MINUTE), None, None, None, id="no round yet"),
        pytest.param(acme(), Coverage(NOW, MINUTE), None, LONG_AGO, TODAY, id="a new leader before its first round"),
        pytest.param(acme(None, None), COMPLETE, None, ANEW, TODAY, id="the first time"),
        pytest.param(acme(), COMPLETE, None, LONG_AGO, TODAY, id="as before"),
        pytest.param(acme(until=TODAY - 2 * DAY), COMPLETE, None, ANEW, TODAY, id="nobody asked for two days"),
        pytest.param(acme(), SILENT, None, None, None, id="a verifier is silent"),
        pytest.param(acme(None, None), COMPLETE, LONG_AGO, LONG_AGO, TODAY, id="it answers again, and lost nothing"),
        pytest.param(acme(), replace(COMPLETE, lost_at=NOW), None, ANEW, TODAY, id="uses were lost"),
        pytest.param(
            acme(NOW - MINUTE), replace(COMPLETE, lost_at=NOW - DAY), None, NOW - MINUTE, TODAY, id="lost before that"
        ),
    ],
)
def test_an_organization_says_since_when_use_is_known(
    org: Organization,
    coverage: Coverage | None,
    remembered: datetime | None,
    since: datetime | None,
    until: date | None,
) -> None:
    plan = plan_organization_use(org, coverage, NOW, remembered=remembered)
    statuses = [one.status for one in plan.actions if isinstance(one, UpdateStatus)]
    status = statuses[0] if statuses else org.status
    assert isinstance(status, OrganizationStatus)
    assert (status.usage_since, status.usage_until) == (since, until)
    assert (plan.actions == ()) is (status == org.status)


@pytest.mark.parametrize(
    ("org", "known"),
    [
        (acme(), True),
        (acme(until=TODAY - DAY), True),
        (acme(until=TODAY - 2 * DAY), False),
        (acme(None), False),
        (acme(until=None), False),
        (None, False),
    ],
)
def test_a_status_that_nobody_renews_says_nothing(org: Organization | None, *, known: bool) -> None:
    assert is_known(org, NOW) is known


def test_the_plan_of_the_key_leaves_a_report_as_it_is() -> None:
    """Otherwise the two would write in turn, forever."""
    acme = organization(keys={"secretMetadataPrefixes": ["acme.io/"]})
    template = {"labels": {"acme.io/team": "core"}}
    one = issued(api_key(uid=EARLY, secret_template=template), membership(), acme)
    seen = ApiKeyObservation(api_key=one, membership=membership(), organization=acme, siblings=Siblings([one]), now=NOW)
    planned = [action.status for action in plan_api_key(seen).actions if isinstance(action, UpdateStatus)]
    kept = with_status(one, planned[-1]) if planned else one
    report = with_status(kept, written(use(kept)))
    assert reported(report.status)
    assert plan_api_key(replace(seen, api_key=report)).actions == ()


def crowded(*, announced: bool) -> ApiKeyObservation:
    """A key that is unused, whose template waits for the next token, and whose rotation waits too or is announced."""
    rules = {"unusedAfter": "720h", "secretMetadataPrefixes": ["acme.io/"]}
    org = organization(keys=rules, status=acme().status.model_dump(by_alias=True, mode="json"))
    one = issued(api_key(uid=EARLY, secret_template={"labels": {"acme.io/team": "core"}}), membership(), org)
    assert one.status.issued is not None
    stamp = one.status.issued.model_copy(update={"template_digest": template_digest(one, org)})
    former = FormerToken(key_id="f", hash="sha256:f", issued=stamp, replaced_at=NOW - MINUTE, ends_at=NOW + DAY)
    status = one.status.model_copy(update={"issued": stamp, "previous": None if announced else former})
    one = edited(with_status(one, status), secretTemplate=None, rotation={"request": 1})
    seen = ApiKeyObservation(one, membership(), org, Siblings([one]), NOW)
    if not announced:
        return seen
    told = announced_status(seen, new_stamp(seen, NOW), key_id="n", token_hash="sha256:n")
    facts = SecretReading(secret_facts(one))
    return replace(seen, api_key=with_status(one, told), secret=facts, announced=Announced("sha256:n", NOW + MINUTE))


@pytest.mark.parametrize("announced", [False, True])
def test_the_conditions_on_use_template_and_rotation_are_not_written_by_turns(*, announced: bool) -> None:
    seen = crowded(announced=announced)
    rounds: list[list[ApiKeyStatus]] = []
    for _ in range(3):
        rounds.append([])
        for plan in (plan_api_key, lambda one: plan_key_use(use(one.api_key, org=one.organization))):
            for action in plan(seen).actions:
                assert isinstance(action, UpdateStatus | EmitEvent)
                if isinstance(action, UpdateStatus):
                    assert isinstance(action.status, ApiKeyStatus)
                    rounds[-1].append(action.status)
                    seen = replace(seen, api_key=with_status(seen.api_key, action.status))
    assert rounds[0]
    assert rounds[1:] == [[], []]
    shown = {one.type: one.reason for one in seen.api_key.status.conditions}
    assert shown == {
        "Ready": "Issued",
        "SecretTemplateApplied": "AwaitingNextToken",
        "Unused": "NotUsed",
        "Rotating": "Announced" if announced else "FormerTokenValid",
    }
