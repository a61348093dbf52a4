"""The cache of the Roles and RoleBindings that give access, as Tenure last read or wrote them."""

from collections import defaultdict
from collections.abc import Mapping

from tenure.domain.access.bindings import Address, BoundKind, Observed
from tenure.domain.store_version import StoreVersion


class Granted:
    """Caches Roles and RoleBindings, with an index by namespace and by the Secrets that a Role names."""

    def __init__(self) -> None:
        self.objects: dict[Address, Observed] = {}
        self._openers: dict[tuple[str, str], set[Address]] = {}
        self._in: dict[str, set[Address]] = {}
        self._versions = defaultdict[tuple[BoundKind, str | None], StoreVersion](StoreVersion)

    def put(self, address: Address, observed: Observed) -> None:
        """Store an object in place of its earlier version."""
        self.drop(address)
        self.objects[address] = observed
        self._in.setdefault(address.namespace, set()).add(address)
        for name in observed.names:
            self._openers.setdefault((address.namespace, name), set()).add(address)

    def drop(self, address: Address) -> None:
        """Remove an object, if it is cached."""
        former = self.objects.pop(address, None)
        if former is None:
            return
        self._in[address.namespace].discard(address)
        if not self._in[address.namespace]:
            del self._in[address.namespace]
        for name in former.names:
            openers = self._openers[address.namespace, name]
            openers.discard(address)
            if not openers:
                del self._openers[address.namespace, name]

    def opening(self, namespace: str, secret: str) -> list[Address]:
        """The addresses of the Roles that allow reading a Secret of this name."""
        return [*self._openers.get((namespace, secret), ())]

    def in_namespace(self, namespace: str) -> list[Address]:
        """The addresses of all cached objects in a namespace."""
        return [*self._in.get(namespace, ())]

    def take_in(self, kind: BoundKind, place: str | None, listed: Mapping[Address, Observed], version: int) -> None:
        """Update the cache from a list of one kind, in one namespace or in all, made at a resourceVersion.

        A cached object that is newer than the list stays. If the resourceVersion decreased, etcd was restored from a
        backup, so the list replaces everything that was cached of this kind and place.
        """
        restored = self._versions[kind, place].advance(version)
        for address, known in list(self.objects.items()):
            in_list = address.kind is kind and place in (None, address.namespace)
            if in_list and (restored or (address not in listed and int(known.resource_version) <= version)):
                self.drop(address)
        for address, observed in listed.items():
            newest = self.objects.get(address)
            if newest is None or int(newest.resource_version) < int(observed.resource_version):
                self.put(address, observed)
