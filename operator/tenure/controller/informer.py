"""The informer: each new state of an object enters the controller through it, and it notifies the observers."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tenure.controller.cache import Cache
from tenure.controller.refs import Change, Ref, ref_of
from tenure.controller.watch_lag import Watches
from tenure.domain.resources import KINDS, Resource
from tenure.kube.objects import parse
from tenure.process.kopf_watches import Event

_KINDS = {kind.kind: kind for kind in KINDS}


class Observer:
    """Gets the informer's notifications. A subclass overrides the methods that it needs."""

    def changed(self, change: Change, *, ours: bool) -> None:
        """Handle a new state of an object. `ours` means that Tenure's own write led to it."""

    def gone(self, resource: Resource) -> None:
        """Handle the deletion of an object. `resource` is its last known state."""

    def restored(self) -> None:
        """Handle a restore of etcd from a backup, after which deleted objects may exist again."""


class Informer:
    """Keeps the cache up to date, and notifies the observers in their order.

    Attributes:
        standing_by: Whether another replica reconciles. The cache is then kept up to date, but the observers aren't
            notified of single objects.
    """

    def __init__(self, cache: Cache, watches: Watches, observers: Sequence[Observer], *, standing_by: bool) -> None:
        self._cache = cache
        self._watches = watches
        self._observers = observers
        self.standing_by = standing_by

    def observe(self, resource: type[Resource], event: str | None, body: Mapping[str, Any]) -> None:
        """Process a watch event. `event` is ADDED, MODIFIED, DELETED, or None if the object is from a list.

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

    def take_state(self, event: Event, line: bytes) -> bool:
        """Process a new state from a watch's line, and return whether that was possible. If not, Kopf handles it."""
        resource = _KINDS.get(event.kind)
        if resource is None:
            return False
        ref = Ref(resource, event.namespace, event.name)
        try:
            if self._cache.holds(ref, {"uid": event.uid, "resourceVersion": event.version}):
                self._watches.tell(ref, event.version, asyncio.get_running_loop().time())
            else:
                self.observe(resource, "MODIFIED", json.loads(line)["object"])
        except Exception:  # noqa: BLE001 - Kopf's handler meets the same error, and it is logged there.
            return False
        return True

    def take_in(self, resource: Resource, *, ours: bool = False) -> None:
        """Process an object from a list or a read, or (`ours`) from the answer to Tenure's own write.

        After an own write, the object itself isn't reconciled again, but the objects that depend on it are.
        """
        change = self._put(resource, ours=ours)
        if change is not None:
            now = asyncio.get_running_loop().time()
            self._watches.expect(change.ref, int(resource.metadata.resource_version), now)

    def take_out(self, known: Resource) -> None:
        """Process the deletion of an object that a list and a read have shown."""
        change = self._cache.remove(ref_of(known), known.metadata.uid)
        if change is not None:
            self._watches.forget(change.ref)
            self._tell(change)
            self._tell_end(known)

    def forget(self, resources: Iterable[Resource]) -> None:
        """Drop objects from the cache that may not exist after a restore of etcd.

        The observers aren't notified, because a list shows which objects exist.
        """
        for known in resources:
            self._cache.remove(ref_of(known), known.metadata.uid)
            self._watches.forget(ref_of(known))

    def restore(self, resources: Iterable[Resource]) -> None:
        """Drop these objects and the record of deleted ones, because etcd was restored from a backup."""
        self._cache.forget_deletions()
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
