"""The page of keys."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tenure.domain.conditions import is_ready, ready_reason
from tenure.domain.durations import parse_duration
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.roles import Access, Capability, Role
from tenure.domain.usage.recording import is_known, unused_since
from tenure.domain.usage.words import describe_use
from tenure.domain.validity import expiry
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import UNKNOWN

UNUSED_AFTER = timedelta(days=30)
"""How long a key that counts as unused wasn't used, unless the organization's `unusedAfter` says otherwise."""


@dataclass(frozen=True)
class FormerToken:
    """A former token that is still valid."""

    key_id: str
    ends_at: datetime


@dataclass(frozen=True)
class KeyRow:
    """A key.

    Attributes:
        holder: The member that its present token was issued to, which a hand-over replaces.
        role: The role that it was issued under, or None if it has no token.
        works: Whether the condition Ready says that it works.
        state: Reason of that condition, or None before the first reconciliation.
        use: When it was last used, in words. `unknown` if Tenure doesn't know, which never means that it is unused.
        unused_since: Since when it is known to be unused, or None if it is in use or if that isn't known.
    """

    name: str
    member: str
    holder: str
    role: Role | None
    access: Access
    capabilities: tuple[Capability, ...] | None
    state: str | None
    works: bool
    key_id: str | None
    issued_at: datetime | None
    expires_at: datetime | None
    last_used: date | None
    use: str
    unused_since: datetime | None
    former: FormerToken | None
    for_role: Role | None
    description: str | None
    managed_by: str
    by_hand: bool


@dataclass(frozen=True)
class KeysPage:
    """The keys of a namespace, or of a member.

    Attributes:
        use_known_since: Since when Tenure has known every use, or None if it doesn't know at present.
    """

    namespace: str
    now: datetime
    use_known_since: datetime | None
    keys: tuple[KeyRow, ...]


def keys_page(
    snapshot: Snapshot, member: str = "", *, unused: bool = False, expiring: timedelta | None = None
) -> KeysPage:
    """Return keys, sorted by name: of a member, those that are known to be unused, and those that expire soon.

    Raises:
        ViewError: there is no such member, or the caller may not list the keys.
    """
    snapshot.require(ApiKey)
    if member and not any(key.spec.membership == member for key in snapshot.keys):
        snapshot.member(member)
    organization = snapshot.organization
    rows = (key_row(snapshot, key) for key in snapshot.keys if member in ("", key.spec.membership))
    kept = (
        row
        for row in rows
        if (not unused or _is_unused(row, organization, snapshot.now))
        and (expiring is None or _expires_within(row, snapshot.now, expiring))
    )
    known = is_known(organization, snapshot.now)
    since = organization.status.usage_since if organization and known else None
    return KeysPage(snapshot.namespace, snapshot.now, since, tuple(kept))


def key_row(snapshot: Snapshot, key: ApiKey) -> KeyRow:
    """Return the facts about a key."""
    status, organization, manager = key.status, snapshot.organization, snapshot.manager(key)
    issued, former = status.issued, status.previous
    return KeyRow(
        name=key.name,
        member=key.spec.membership,
        holder=key.holder,
        role=issued.role if issued else None,
        access=key.spec.access,
        capabilities=None if key.narrowed_to is None else tuple(key.narrowed_to),
        state=ready_reason(status.conditions),
        works=is_ready(status.conditions),
        key_id=status.key_id,
        issued_at=issued.at if issued else None,
        expires_at=expiry(key, issued.at) if issued else key.spec.expires_at,
        last_used=status.last_used,
        use=_use(key, organization, snapshot.now),
        unused_since=unused_since(key, organization, snapshot.now),
        former=FormerToken(former.key_id, former.ends_at) if former and former.ends_at > snapshot.now else None,
        for_role=key.spec.for_role,
        description=key.spec.description,
        managed_by=manager.name,
        by_hand=manager.by_hand,
    )


def _use(key: ApiKey, organization: Organization | None, now: datetime) -> str:
    """Return when a key was last used. A recorded day is told even if there may be later uses that nobody recorded."""
    if words := describe_use(key, organization, now):
        return words
    if key.status.last_used is not None:
        return f"{UNKNOWN} since {key.status.last_used}"
    return UNKNOWN


def _is_unused(row: KeyRow, organization: Organization | None, now: datetime) -> bool:
    rules = organization.spec.keys if organization else None
    after = parse_duration(rules.unused_after) if rules and rules.unused_after else UNUSED_AFTER
    return row.unused_since is not None and now - row.unused_since >= after


def _expires_within(row: KeyRow, now: datetime, length: timedelta) -> bool:
    return row.works and row.expires_at is not None and row.expires_at - now <= length
