"""An in-memory index of the three kinds, with the keys by the hashes of their tokens, and a record of revoked ones."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from tenure.domain.in_force import oldest
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.validity import Verdict, validity
from tenure.domain.verification import Code, Holding
from tenure.domain.views import token_views
from tenure.kube.list_watch import Indexed

R = TypeVar("R", bound=Resource)

REMEMBERED = timedelta(hours=24)
"""How long the index remembers a revoked token."""
MOST_REMEMBERED = 100_000
"""Maximum number of revoked tokens that the index remembers."""
_AT_ONCE = 100
"""Objects that are indexed in one go. This takes some milliseconds, during which no request is answered."""

_NOT_DEAD = {Verdict.VALID, Verdict.SUSPENDED, Verdict.BEHIND, Verdict.PENDING}


_NEVER = (datetime.min.replace(tzinfo=UTC), None)


@dataclass(frozen=True)
class Revocation:
    """Why and when a token was revoked that is no longer in any ApiKey."""

    code: Code
    at: datetime
    """When the index saw it, or the time of the role change if the Membership records it."""

    namespace: str
    membership: str
    hash: str | None
    """Hash of the token, or None if only its public id is known."""


class Index:
    """The objects that a decision about a token needs, and the revoked tokens."""

    def __init__(self) -> None:
        self._objects: dict[type[Resource], dict[tuple[str, str], Resource]] = defaultdict(dict)
        self._organizations: dict[str, dict[str, Organization]] = {}
        self._in_force: dict[str, Organization] = {}
        self._by_hash: dict[str, ApiKey] = {}
        self._recorded: dict[str, Revocation] = {}
        self._revocations: OrderedDict[str, tuple[datetime, Revocation]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_hash)

    async def replace(
        self, resource: type[Resource], objects: Sequence[Indexed], now: datetime, *, namespace: str | None = None
    ) -> None:
        """Replace all objects of a kind, in one namespace or in all, by those of a list. The others are removed.

        Other tasks run in between, so requests are answered while a long list is indexed.
        """
        listed = {one.place for one in objects}
        known = [place for place in self._objects[resource] if namespace is None or place[0] == namespace]
        for place in [place for place in known if place not in listed]:
            self._remove(resource, place, now)
        for number, one in enumerate(objects):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            self._take(resource, one, now)

    def change(self, resource: type[Resource], body: Mapping[str, Any], *, deleted: bool, now: datetime) -> None:
        """Apply a change of an object to the index. An object that doesn't fit the schema is removed."""
        one = Indexed.of(resource, body)
        self._take(resource, replace(one, resource=None) if deleted else one, now)

    def _take(self, resource: type[Resource], one: Indexed, now: datetime) -> None:
        if one.resource is None:
            self._remove(resource, one.place, now)
        else:
            self._put(resource, one.place, one.resource, now)

    def key(self, token_hash: str) -> ApiKey | None:
        """Return the key whose token has this hash, or None if there is none.

        For the former and the announced token of a key it is the view of the key with that token.

        The lookup isn't by public id, because a status with another key's id would hide that key.
        """
        return self._by_hash.get(token_hash)

    def revocation(self, key_id: str, now: datetime) -> Revocation | None:
        """Return why a token was revoked, or None if that isn't known.

        The index remembers it for a day after it saw the revocation, and as long as the Membership records it.
        """
        seen, revocation = self._revocations.get(key_id, _NEVER)
        recorded = self._recorded.get(key_id)
        if recorded is not None:
            return replace(recorded, hash=revocation.hash if revocation is not None else None)
        return revocation if now - seen < REMEMBERED else None

    def holding(self, key: ApiKey) -> Holding:
        """Return a key, its stamp's Membership, and the Organization in force if that is the Membership's."""
        member = self._get(Membership, key.namespace, key.holder)
        organization = self._in_force.get(key.namespace)
        if member is not None and organization is not None and organization.name != member.spec.organization:
            organization = None
        return Holding(key, member, organization)

    def _get(self, resource: type[R], namespace: str, name: str) -> R | None:
        return cast("R | None", self._objects[resource].get((namespace, name)))

    def _put(self, resource: type[R], place: tuple[str, str], new: R, now: datetime) -> None:
        old = self._objects[resource].get(place)
        self._objects[resource][place] = new
        match new:
            case ApiKey():
                self._index_key(old if isinstance(old, ApiKey) else None, new, now)
            case Membership():
                self._record(old if isinstance(old, Membership) else None, new, now)
            case Organization():
                self._organize(place, new)

    def _remove(self, resource: type[Resource], place: tuple[str, str], now: datetime) -> None:
        old = self._objects[resource].pop(place, None)
        match old:
            case ApiKey():
                self._index_key(old, None, now)
            case Membership():
                self._record(old, None, now)
            case Organization():
                self._organize(place, None)

    def _organize(self, place: tuple[str, str], new: Organization | None) -> None:
        """Apply a change of an Organization, and determine which one is in force in its namespace now."""
        namespace, name = place
        here = {one: body for one, body in self._organizations.pop(namespace, {}).items() if one != name}
        if new is not None:
            here[name] = new
        self._in_force.pop(namespace, None)
        if (first := oldest(list(here.values()))) is not None:
            self._organizations[namespace], self._in_force[namespace] = here, first

    def _index_key(self, old: ApiKey | None, new: ApiKey | None, now: datetime) -> None:
        before, after = _tokens(old), _tokens(new)
        for token_hash, view in before.items():
            if token_hash in after:
                continue
            known = self._by_hash.get(token_hash)
            if known is not None and known.metadata == view.metadata:
                del self._by_hash[token_hash]
            if view.status.key_id is not None:
                self._remember_seen(view, view.status.key_id, now)
        self._by_hash |= after

    def _remember_seen(self, key: ApiKey, key_id: str, now: datetime) -> None:
        holding = self.holding(key)
        verdict = validity(key, holding.membership, holding.organization, now)
        code = Code.NOT_FOUND if verdict in _NOT_DEAD else Code(verdict.value)
        self._remember(key_id, Revocation(code, now, key.namespace, key.holder, key.status.hash), now)

    def _record(self, old: Membership | None, new: Membership | None, now: datetime) -> None:
        """Take the revoked tokens from a Membership's record of its role change.

        The record outlives the keys and this process.
        """
        recorded = _recorded(new)
        for key_id, revocation in _recorded(old).items():
            if key_id not in recorded:
                self._recorded.pop(key_id, None)
                _, known = self._revocations.get(key_id, (now, None))
                self._remember(key_id, replace(revocation, hash=known.hash if known is not None else None), now)
        self._recorded |= recorded

    def _remember(self, key_id: str, revocation: Revocation, now: datetime) -> None:
        self._revocations[key_id] = (now, revocation)
        self._revocations.move_to_end(key_id)
        while len(self._revocations) > MOST_REMEMBERED or now - next(iter(self._revocations.values()))[0] >= REMEMBERED:
            self._revocations.popitem(last=False)


def _tokens(key: ApiKey | None) -> dict[str, ApiKey]:
    """Return the key for each of its tokens, by the token's hash."""
    views = token_views(key) if key is not None else ()
    return {view.status.hash: view for view in views if view.status.hash is not None}


def _recorded(member: Membership | None) -> dict[str, Revocation]:
    """Return the tokens that a Membership's latest role change revoked, by their public id."""
    change = member.status.last_role_change if member is not None else None
    if member is None or change is None:
        return {}
    revocation = Revocation(Code.ROLE_CHANGED, change.at, member.namespace, member.name, None)
    return {ended.key_id: revocation for ended in change.keys}
