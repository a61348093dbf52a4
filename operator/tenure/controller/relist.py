"""The sweep: it lists all objects every few minutes and has them reconciled, so that Tenure depends on no event."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tenure.controller.cache import Cache
from tenure.controller.informer import Informer
from tenure.controller.queue import WorkQueue
from tenure.controller.refs import Ref
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.domain.store_version import StoreVersion
from tenure.errors import MalformedObjectError, ObjectNotFoundError, TenureError
from tenure.kube.breaker import Loop
from tenure.kube.cluster import Cluster
from tenure.kube.objects import LARGEST_PAGE, parse

log = logging.getLogger("tenure.reconcile")

_TICK_SECONDS = 0.05


def round_seconds(keys: int, seconds: float, per_second: float) -> float:
    """Return how long a round over so many keys takes: `seconds`, or longer if that were too many reads a second."""
    return max(seconds, keys / per_second)


class Sweep:
    """Lists the three kinds in the served namespaces, and enqueues every object. No namespaces means all."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        informer: Informer,
        queue: WorkQueue,
        namespaces: Sequence[str],
        *,
        reads_per_second: float,
    ) -> None:
        """`reads_per_second` is the maximum number of Secrets that are read in a second."""
        self._cluster = cluster
        self._cache = cache
        self._informer = informer
        self._queue = queue
        self._places: Sequence[str | None] = namespaces or (None,)
        self._versions = defaultdict[tuple[type[Resource], str | None], StoreVersion](StoreVersion)
        self.listed_at: dict[type[Resource], float] = {}
        """When the latest complete list of each kind began, on the loop's clock."""
        self._reads_per_second = reads_per_second
        self.planned_seconds = 0.0
        """Planned duration of the present round over all keys."""
        self.latest_seconds: float | None = None
        """Duration of the latest complete round over all keys, or None before the first one."""

    async def fill(self) -> None:
        """Update the cache from lists, and remove objects that don't exist any more.

        Raises:
            TenureError: the error of the first list that failed. All lists are tried first.
        """
        errors: list[TenureError] = []
        for resource in KINDS:
            began, failed = asyncio.get_running_loop().time(), len(errors)
            for place in self._places:
                try:
                    await self._fill(resource, place)
                except TenureError as error:  # The other lists are tried all the same.
                    errors.append(error)
            if len(errors) == failed:
                self.listed_at[resource] = began
        if errors:
            raise errors[0]

    async def check_members(self, seconds: float) -> None:
        """Enqueue every Organization and Membership within so many seconds, evenly spread."""
        await self._check(self._cache.refs(Organization, Membership), seconds)

    async def check_keys(self, seconds: float) -> None:
        """Enqueue every ApiKey, so that its Secret is read too. It takes so many seconds, or longer for many keys."""
        refs, began = self._cache.refs(ApiKey), asyncio.get_running_loop().time()
        self.planned_seconds = round_seconds(len(refs), seconds, self._reads_per_second)
        await self._check(refs, self.planned_seconds)
        self.latest_seconds = asyncio.get_running_loop().time() - began

    async def _check(self, refs: Sequence[Ref], seconds: float) -> None:
        """Enqueue objects, evenly spread. After a pause, e.g. while the API server is away, it doesn't catch up."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for ref in refs:
            due = max(due + seconds / len(refs), loop.time() - _TICK_SECONDS)
            if due - loop.time() >= _TICK_SECONDS:
                await asyncio.sleep(due - loop.time())
            await self._cluster.turn(Loop.WORK)
            self._queue.check(ref)
        await asyncio.sleep(max(due - loop.time(), 0.0) if refs else seconds)

    async def _fill(self, resource: type[Resource], place: str | None) -> None:
        listed: set[str] = set()
        version = ""
        async for items, version in self._cluster.pages(resource, place, largest=LARGEST_PAGE):
            self._notice_restore(resource, place, int(version))
            for body in items:
                metadata = body["metadata"]
                ref = Ref(resource, metadata["namespace"], metadata["name"])
                listed.add(metadata["uid"])
                self._drop_phantom(ref, metadata, int(version))
                if self._cache.holds(ref, metadata):
                    continue
                try:
                    self._informer.take_in(parse(resource, body))
                except MalformedObjectError as error:
                    log.warning("Ignoring an object that doesn't fit the schema: %s", error)
            await asyncio.sleep(0)
        await self._forget(resource, place, listed, int(version))

    def _notice_restore(self, resource: type[Resource], place: str | None, version: int) -> None:
        """Drop a kind's cached objects if the resourceVersion decreased, because etcd was restored from a backup."""
        before = self._versions[resource, place].number
        if self._versions[resource, place].advance(version):
            log.warning(
                "%s: the resourceVersion went back from %d to %d, so all are listed again",
                resource.plural,
                before,
                version,
            )
            self._informer.restore(self._known(resource, place))

    def _known(self, resource: type[Resource], place: str | None) -> list[Resource]:
        return [
            known for known in self._cache.all() if isinstance(known, resource) and place in (None, known.namespace)
        ]

    async def _forget(self, resource: type[Resource], place: str | None, listed: set[str], version: int) -> None:
        """Remove cached objects whose uid the list lacks, unless they are newer than the list."""
        for known in self._known(resource, place):
            metadata = known.metadata
            if metadata.uid in listed or int(metadata.resource_version) > version:
                continue
            if await self._is_gone(known):
                self._informer.take_out(known)

    async def _is_gone(self, known: Resource) -> bool:
        """Whether an object is deleted, by a consistent read, because a list alone proves no deletion."""
        try:
            found = await self._cluster.get(type(known), known.namespace, known.name)
        except ObjectNotFoundError:
            return True
        self._informer.take_in(found)
        return found.metadata.uid != known.metadata.uid

    def _drop_phantom(self, ref: Ref, metadata: Mapping[str, Any], version: int) -> None:
        """Drop a cached object that is newer than the listed one, if the list isn't older than the cached object.

        Etcd was then restored from a backup, which doesn't have the cached version.
        """
        known = self._cache.get(ref.resource, ref.namespace, ref.name)
        if known is not None and int(metadata["resourceVersion"]) < int(known.metadata.resource_version) <= version:
            self._informer.forget([known])
