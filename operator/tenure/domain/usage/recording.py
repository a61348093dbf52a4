"""Decides what to write about the use of keys: rarely, spread over the day, and never more than is known."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256

from tenure.domain.conditions import find_condition, is_ready, renew_condition
from tenure.domain.durations import parse_duration
from tenure.domain.planning.actions import EmitEvent, Plan, StatusAction, UpdateStatus
from tenure.domain.reasons import ConditionType, Reason
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.base import Condition
from tenure.domain.resources.organization import OrganizationStatus
from tenure.domain.resources.stamp import FormerToken
from tenure.domain.usage.coverage import Coverage, Knowledge

_DAY = timedelta(days=1)
_SPREAD = timedelta(hours=23)
"""Writes that can wait are spread over this part of the day, so that each is made before the day ends."""
FORMER_INTERVAL = timedelta(minutes=5)
"""Minimum time between two writes about the use of a key's former token."""


@dataclass(frozen=True)
class KeyUse:
    """The input of the plan for the use of a key."""

    key: ApiKey
    organization: Organization | None
    """The one in force for the key."""

    knowledge: Knowledge
    used_at: datetime | None
    """Its latest use that a verifier reported, or None if none did."""

    now: datetime
    written_today: bool = False
    """Whether its day was already written today."""

    former_used_at: datetime | None = None
    """The latest use of its former token that a verifier reported, or None if none did."""

    former_written_at: datetime | None = None
    """When this process last wrote the use of its former token, or None if it didn't."""


def plan_key_use(use: KeyUse) -> Plan[StatusAction]:
    """Plan what to write into the status of a key.

    That is the day of its latest use, the minute of its former token's, and whether it counts as unused.
    """
    key, status = use.key, use.key.status
    last_used = status.last_used
    if use.knowledge is not Knowledge.OFF and not use.written_today:
        last_used = day_to_write(last_used, use.used_at, use.now, key.metadata.uid)
    before = find_condition(status.conditions, ConditionType.UNUSED)
    unused = _unused(use)
    others = [one for one in status.conditions if one.type not in (ConditionType.UNUSED, ConditionType.ROTATING)]
    rotating = [one for one in status.conditions if one.type == ConditionType.ROTATING]
    conditions = [*others, *([unused] if unused else []), *rotating]
    renewed = status.model_copy(
        update={"last_used": last_used, "previous": _former_with_use(use), "conditions": conditions}
    )
    if renewed == status:
        return Plan()
    if unused is None or before is not None:
        return Plan((UpdateStatus(renewed),))
    event = EmitEvent(reason=unused.reason, note=unused.message, occurrence=f"{key.metadata.uid}/{unused.message}")
    return Plan((event, UpdateStatus(renewed)))


def plan_organization_use(
    organization: Organization, coverage: Coverage | None, now: datetime, *, remembered: datetime | None = None
) -> Plan[StatusAction]:
    """Plan what to write into the status of an Organization in force: since when, and until when, use is known.

    `coverage` is None if the record of use is turned off. `remembered` is the start that the same leader last saw in
    the status, which counts again after a time in which use was unknown, unless a verifier lost uses.
    """
    status = _covered(organization, coverage, now, remembered)
    return Plan() if status == organization.status else Plan((UpdateStatus(status),))


def day_to_write(stored: date | None, used_at: datetime | None, now: datetime, uid: str) -> date | None:
    """Return the day of the latest use to store, which is the stored one if the write can wait.

    If the day only moves on to the next one, as for a key in daily use, the write waits for a time of the day that
    follows from the uid. Every other use is news, and is written at once.
    """
    if used_at is None:
        return stored
    used = min(used_at, now).astimezone(UTC).date()  # A verifier's clock may be ahead.
    if stored is None:
        return used
    if used <= stored or (used - stored == _DAY and _time_of(now) < offset(uid)):
        return stored
    return used


def offset(uid: str) -> timedelta:
    """Return the time of the day from which an object's writes are made, if they can wait."""
    seconds = int.from_bytes(sha256(uid.encode()).digest()[:8]) % int(_SPREAD.total_seconds())
    return timedelta(seconds=seconds)


def is_known(organization: Organization | None, now: datetime) -> bool:
    """Return whether the status of an Organization says that the use of its keys is known.

    A status that nobody has renewed since the day before yesterday says nothing: the controller may be stopped.
    """
    if organization is None:
        return False
    since, until = organization.status.usage_since, organization.status.usage_until
    return since is not None and until is not None and now.astimezone(UTC).date() - until <= _DAY


def unused_since(
    key: ApiKey, organization: Organization | None, now: datetime, used_at: datetime | None = None
) -> datetime | None:
    """Return since when a working key is known to be unused, or None if that isn't known.

    It is the end of the day of the latest use, the start of the record, or when the key began to work, whichever is
    latest.
    """
    ready = find_condition(key.status.conditions, ConditionType.READY)
    if organization is None or ready is None or not is_ready(key.status.conditions) or not is_known(organization, now):
        return None
    days = [day for day in (key.status.last_used, used_at and used_at.astimezone(UTC).date()) if day is not None]
    ends = [datetime.combine(day, time(), UTC) + _DAY for day in days]
    # Not the time of issue, because a rotated key isn't a new one.
    return max([ready.last_transition_time, organization.status.usage_since or now, *ends])


def _former_with_use(use: KeyUse) -> FormerToken | None:
    """Return the former token with the minute of its latest use, or as it is if nothing is to be written."""
    former, used_at = use.key.status.previous, use.former_used_at
    if former is None or used_at is None or former.ends_at <= use.now or use.knowledge is Knowledge.OFF:
        return former
    used = min(used_at, use.now).replace(second=0, microsecond=0)  # A verifier's clock may be ahead.
    # Not by the time of use alone: the last use before a program reads the new token must be written too.
    writes = [moment for moment in (former.last_used_at, use.former_written_at) if moment is not None]
    is_news = former.last_used_at is None or used > former.last_used_at
    if not is_news or any(use.now - moment < FORMER_INTERVAL for moment in writes):
        return former
    return former.model_copy(update={"last_used_at": used})


def _unused(use: KeyUse) -> Condition | None:
    """Return the condition of a key that has been unused for longer than the organization's `unusedAfter`, or None."""
    before = find_condition(use.key.status.conditions, ConditionType.UNUSED)
    if use.knowledge is Knowledge.STARTING and use.used_at is None:
        return before
    rules = use.organization.spec.keys if use.organization is not None else None
    since = unused_since(use.key, use.organization, use.now, use.used_at)
    if use.knowledge is not Knowledge.KNOWN or since is None or rules is None or rules.unused_after is None:
        return None
    if use.now < since + parse_duration(rules.unused_after):
        return None
    last = use.key.status.last_used
    fact = f"Not used since {since.date()}" if last is None else f"Last used on {last}"
    return renew_condition(
        use.key.status.conditions,
        ConditionType.UNUSED,
        holds=True,
        reason=Reason.NOT_USED,
        message=f"{fact}. The organization's keys.unusedAfter is {rules.unused_after}. If nobody needs the key, delete "
        f"it: kubectl delete apikey {use.key.name} -n {use.key.namespace}",
        generation=use.key.metadata.generation,
        now=use.now,
    )


def _covered(
    organization: Organization, coverage: Coverage | None, now: datetime, remembered: datetime | None
) -> OrganizationStatus:
    status = organization.status
    knowledge = Knowledge.OFF if coverage is None else coverage.knowledge(now)
    if knowledge is Knowledge.STARTING:
        return status
    if coverage is None or knowledge is not Knowledge.KNOWN:
        return status.model_copy(update={"usage_since": None, "usage_until": None})
    since = (status.usage_since if is_known(organization, now) else remembered) or coverage.complete_at or now
    since = max(since, coverage.lost_at or since)
    until = day_to_write(status.usage_until, now, now, organization.metadata.uid)
    return status.model_copy(update={"usage_since": since.replace(microsecond=0), "usage_until": until})


def _time_of(now: datetime) -> timedelta:
    moment = now.astimezone(UTC)
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
