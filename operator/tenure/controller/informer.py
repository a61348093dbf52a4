"""The informer: the one way in which the state of an object enters the controller, and who is told of it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tenure.controller.cache import Cache
from tenure.controller.refs import Change, Ref, ref_of
from tenure.controller.watch_lag import Watches
from tenure.domain.resources import Resource
from tenure.kube.cluster import parse


class Observer:
    """Is told what the informer learns. A subclass overrides what concerns it."""

    def changed(self, change: Change, *, ours: bool) -> None:
        """An object has another state than before. `ours`: Tenure's own write led to it."""

    def gone(self, resource: Resource) -> None:
        """An object is gone for good; `resource` is how it was last seen."""

    def restored(self) -> None:
        """Etcd was restored from a backup: what was seen to be gone may be there again."""


class Informer:
    """Keeps the cache up to date, and tells the observers in their order.

    Attributes:
        standing_by: Whether another replica reconciles. Then the cache is kept up to date, and no observer is told of
            single objects.
    """

    def __init__(self, cache: Cache, watches: Watches, observers: Sequence[Observer], *, standing_by: bool) -> None:
        self._cache = cache
        self._watches = watches
        self._observers = observers
        self.standing_by = standing_by

    def observe(self, resource: type[Resource], event: str | None, body: Mapping[str, Any]) -> None:
        """Take in what a watch says of an object: `event` is ADDED, MODIFIED, DELETED, or None from a list.

        Raises:
            MalformedObjectError: the object doesn't fit the schema.
        """
        metadata = body["metadata"]
        ref = Ref(resource, metadata["namespace"], metadata["name"])
        self._watches.tell(ref, int(metadata["resourceVersion"]), asyncio.get_running_loop().time())
        if event == "DELETED":
            self._tell(self._cache.remove(ref, metadata["uid"], for_good=True))
            self._tell_end(parse(resource, body))
        elif not self._cache.holds(ref, metadata):
            self._put(parse(resource, body), ours=False)

    def take_in(self, resource: Resource, *, ours: bool = False) -> None:
        """Take in what a list or a read shows, or (`ours`) the answer to Tenure's own write.

        The object of an own write needn't be looked at again; others that depend on it need.
        """
        change = self._put(resource, ours=ours)
        if change is not None:
            now = asyncio.get_running_loop().time()
            self._watches.expect(change.ref, int(resource.metadata.resource_version), now)

    def take_out(self, known: Resource) -> None:
        """Take an object out that a list and a read showed to be gone."""
        change = self._cache.remove(ref_of(known), known.metadata.uid)
        if change is not None:
            self._watches.forget(change.ref)
            self._tell(change)
            self._tell_end(known)

    def forget(self, resources: Iterable[Resource]) -> None:
        """Drop what may never have been, since etcd was restored. No observer is told: a list shows what is."""
        for known in resources:
            self._cache.remove(ref_of(known), known.metadata.uid)
            self._watches.forget(ref_of(known))

    def restore(self, resources: Iterable[Resource]) -> None:
        """Etcd was restored from a backup: drop what was known of these objects, and of what had gone."""
        self._cache.forget_endings()
        for observer in self._observers:
            observer.restored()
        self.forget(resources)

    def _put(self, resource: Resource, *, ours: bool) -> Change | None:
        change = self._cache.put(resource, asyncio.get_running_loop().time())
        self._tell(change, ours=ours)
        if change is not None and change.old is not None and change.old.metadata.uid != resource.metadata.uid:
            self._tell_end(change.old)
        return change

    def _tell(self, change: Change | None, *, ours: bool = False) -> None:
        if change is not None and not self.standing_by:
            for observer in self._observers:
                observer.changed(change, ours=ours)

    def _tell_end(self, resource: Resource) -> None:
        if not self.standing_by:
            for observer in self._observers:
                observer.gone(resource)
