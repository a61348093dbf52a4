"""Consistent reads that prove what the cache proposes. Reconciliations that need the same read share it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tenure.controller.cache import Cache
from tenure.controller.informer import Informer
from tenure.controller.refs import Ref
from tenure.domain.resources import Membership, Organization, Resource
from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import Cluster

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R", bound=Resource)

_KEPT = 1024


@dataclass(frozen=True)
class Reading(Generic[V]):
    """The result of a read, and the time at which it started, on the loop's clock."""

    value: V
    started: float


class SharedReads(Generic[K, V]):
    """Shares reads: a caller gets the latest read of its key, if that started late enough, or else makes a new one."""

    def __init__(self, read: Callable[[K], Awaitable[V]]) -> None:
        self._read = read
        self._latest: dict[K, tuple[float, asyncio.Future[V]]] = {}

    async def get(self, key: K, since: float) -> Reading[V]:
        """Return the result of a read of `key` that started at `since` or later, on the loop's clock."""
        started, outcome = self._latest.get(key, (float("-inf"), None))
        if outcome is not None and started >= since:
            return await self._share(key, since, outcome, started)
        loop = asyncio.get_running_loop()
        started, outcome = loop.time(), loop.create_future()
        self._latest.pop(key, None)
        self._latest[key] = (started, outcome)
        self._forget_oldest()
        return Reading(await self._resolve(key, outcome), started)

    async def _share(self, key: K, since: float, outcome: asyncio.Future[V], started: float) -> Reading[V]:
        try:
            return Reading(await asyncio.shield(outcome), started)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not outcome.cancelled() or (task is not None and task.cancelling()):
                raise
            return await self.get(key, since)  # The caller that read was cancelled.

    async def _resolve(self, key: K, outcome: asyncio.Future[V]) -> V:
        """Read, and give the result or the error to all waiting callers. An error isn't kept for later callers."""
        try:
            value = await self._read(key)
        except BaseException as error:
            if self._latest.get(key, (0.0, None))[1] is outcome:
                del self._latest[key]
            if isinstance(error, asyncio.CancelledError):
                outcome.cancel()
            else:
                outcome.set_exception(error)
                outcome.exception()  # It is raised here, even if no other caller waits.
            raise
        outcome.set_result(value)
        return value

    def _forget_oldest(self) -> None:
        while len(self._latest) > _KEPT:
            del self._latest[next(iter(self._latest))]


class FreshReads:
    """Reads single objects by GET. The results enter the cache through the informer."""

    def __init__(self, cluster: Cluster, cache: Cache, informer: Informer) -> None:
        self._cluster = cluster
        self._cache = cache
        self._informer = informer
        self._memberships = SharedReads[Ref, Membership | None](self._read_membership)
        self._organizations = SharedReads[Ref, Organization | None](self._read_organization)

    async def membership(self, namespace: str, name: str, since: float) -> Membership | None:
        """The Membership by a consistent read that started at `since` or later, or None if it doesn't exist."""
        ref = Ref(Membership, namespace, name)
        reading = await self._memberships.get(ref, since)
        return self._newest(ref, Membership, reading.value, reading.started)

    async def organization(self, namespace: str, name: str, since: float) -> Organization | None:
        """The Organization by a consistent read that started at `since` or later, or None if it doesn't exist."""
        ref = Ref(Organization, namespace, name)
        reading = await self._organizations.get(ref, since)
        return self._newest(ref, Organization, reading.value, reading.started)

    async def refresh(self, ref: Ref) -> None:
        """Read an object again after a conflict. If it changed, the informer has it enqueued."""
        with contextlib.suppress(ObjectNotFoundError):
            self._informer.take_in(await self._cluster.get(ref.resource, ref.namespace, ref.name))

    def _newest(self, ref: Ref, resource: type[R], read: R | None, started: float) -> R | None:
        """The object as it was read, or a newer state that the cache has since then."""
        if read is not None:
            self._drop_phantom(ref, read, started)
            self._informer.take_in(read)
            return self._cache.get(resource, ref.namespace, ref.name)
        if self._cache.seen_at(ref) > started:
            return self._cache.get(resource, ref.namespace, ref.name)
        return None

    def _drop_phantom(self, ref: Ref, read: Resource, started: float) -> None:
        """Drop a cached object that was seen before the read started, and is newer than what was read.

        Etcd was then restored from a backup, which doesn't have the cached version. A list will show it for the whole
        kind, but until then no key may be revoked because of a role that is no longer stored.
        """
        known = self._cache.get(ref.resource, ref.namespace, ref.name)
        if known is None or self._cache.seen_at(ref) >= started:
            return
        if int(known.metadata.resource_version) > int(read.metadata.resource_version):
            self._informer.forget([known])

    async def _read_membership(self, ref: Ref) -> Membership | None:
        return await self._read(Membership, ref)

    async def _read_organization(self, ref: Ref) -> Organization | None:
        return await self._read(Organization, ref)

    async def _read(self, resource: type[R], ref: Ref) -> R | None:
        try:
            return await self._cluster.get(resource, ref.namespace, ref.name)
        except ObjectNotFoundError:
            return None
