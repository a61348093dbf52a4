"""Enqueues the objects that a change affects. `effects` decides which and when, and `Enqueuer` enqueues them."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tenure.controller.cache import Cache
from tenure.controller.informer import Observer
from tenure.controller.queue import Purpose, WorkQueue
from tenure.controller.refs import Change, Ref, ref_of
from tenure.domain.conditions import ready_reason
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.views import memberships_of


class Enqueuer(Observer):
    """Enqueues the objects that a change affects, and wakes them at given times."""

    def __init__(self, queue: WorkQueue, cache: Cache, now: Callable[[], datetime]) -> None:
        self.queue = queue
        self._cache = cache
        self._now = now

    def changed(self, change: Change, *, ours: bool) -> None:
        """Enqueue the object, unless Tenure wrote it itself, and all objects that depend on it."""
        if not ours:
            self.queue.add(change.ref)
        for effect in effects(change, self._cache):
            if effect.settled:
                self.queue.settle(effect.ref)
            else:
                self.queue.add(effect.ref)

    def wake(self, ref: Ref, at: datetime | None) -> None:
        """Enqueue an object at a time of the wall clock, which replaces an earlier one. None cancels it."""
        delay = None if at is None else max((at - self._now()).total_seconds(), 0.0)
        when = None if delay is None else asyncio.get_running_loop().time() + delay
        self.queue.add_at(ref, when, Purpose.WAKE)


@dataclass(frozen=True)
class Effect:
    """An object that a change affects."""

    ref: Ref
    settled: bool = False
    """Whether to reconcile it only once a burst of changes is over. Sums and lists in a status can wait, keys can't."""


def effects(change: Change, cache: Cache) -> Iterator[Effect]:
    """The objects that a change affects, besides the changed object itself."""
    match change.old, change.new:
        case (ApiKey() | None as old, ApiKey() | None as new):
            yield from _of_api_key(old, new, cache)
        case (Membership() | None as old, Membership() | None as new):
            yield from _of_membership(old, new, cache)
        case (Organization() | None as old, Organization() | None as new):
            yield from _of_organization(old, new, cache)


def _of_api_key(old: ApiKey | None, new: ApiKey | None, cache: Cache) -> Iterator[Effect]:
    key = new or old
    if key is None or (old and new and _worth(old) == _worth(new)):
        return
    for member in sorted({name for one in (old, new) if one for name in memberships_of(one)}):
        yield Effect(Ref(Membership, key.namespace, member), settled=True)
    yield from _organizations(key, cache)
    if old is not None:
        for member in memberships_of(old):
            for sibling in cache.waiting_for_room(key.namespace, member):
                yield Effect(ref_of(sibling))


def _of_membership(old: Membership | None, new: Membership | None, cache: Cache) -> Iterator[Effect]:
    member = new or old
    if member is None or (old and new and _tenure(old) == _tenure(new)):
        return
    yield from _organizations(member, cache)
    for namesake in cache.namesakes(member):
        yield Effect(ref_of(namesake))
        for key in cache.keys_of(namesake.namespace, namesake.name):
            yield Effect(ref_of(key))
    if old and new and old.metadata.uid == new.metadata.uid and not new.metadata.deleting and not _is_recorded(new):
        return  # The Membership's own reconciliation records the role change first, and its write leads here again.
    for key in cache.keys_of(member.namespace, member.name):
        yield Effect(ref_of(key))


def _of_organization(old: Organization | None, new: Organization | None, cache: Cache) -> Iterator[Effect]:
    organization = new or old
    if organization is None or (old and new and _rule(old) == _rule(new)):
        return
    for other in cache.organizations(organization.namespace):
        yield Effect(ref_of(other))
    for member in cache.memberships(organization.namespace):
        yield Effect(ref_of(member))
    for key in cache.keys_in(organization.namespace):
        yield Effect(ref_of(key))


def _organizations(resource: Resource, cache: Cache) -> Iterator[Effect]:
    for organization in cache.organizations(resource.namespace):
        yield Effect(ref_of(organization), settled=True)


def _worth(key: ApiKey) -> tuple[object, ...]:
    """The fields of a key that sums and lists in other objects depend on."""
    status = key.status
    return (
        key.metadata.uid,
        key.metadata.deleting,
        key.spec,
        status.key_id,
        status.secret_uid,
        status.previous,
        ready_reason(status.conditions),
    )


def _tenure(member: Membership) -> tuple[object, ...]:
    """The fields of a Membership that its keys and its Organization depend on."""
    metadata = member.metadata
    return (
        metadata.uid,
        metadata.generation,
        metadata.deleting,
        _is_recorded(member),
        member.status.last_role_change,
        member.has_accepted,
    )


def _is_recorded(member: Membership) -> bool:
    return member.status.observed_generation == member.metadata.generation


def _rule(organization: Organization) -> tuple[object, ...]:
    """The fields of an Organization that members and keys depend on."""
    metadata = organization.metadata
    status = organization.status
    return metadata.uid, metadata.generation, metadata.deleting, status.invitations_since, status.acceptance_since
