"""Keeps all objects of the three kinds in memory, by a list and watch of each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence

from tenure.domain.in_force import oldest
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.kube.cluster import Cluster
from tenure.kube.list_watch import Changed, Feed, Indexed, Listed, follow
from tenure.process.tasks import together

_WATCH_SECONDS = 60
_RELIST_SECONDS = 300.0
"""A watch that delivers nothing may be dead. So everything is listed again so often."""

Place = tuple[str, str]


class Store:
    """The objects of the three kinds, in some namespaces or in all."""

    def __init__(self, cluster: Cluster, namespaces: Sequence[str] = ()) -> None:
        self._cluster = cluster
        feeds = [Feed(resource, place) for resource in KINDS for place in (namespaces or (None,))]
        self._restarts = {feed: asyncio.Event() for feed in feeds}
        self._unlisted = set(feeds)
        self._objects: dict[type[Resource], dict[str, dict[str, Resource]]] = {kind: {} for kind in KINDS}
        self.changed = asyncio.Event()
        """Set at every change. Whoever waits for it clears it."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Future[list[None]]]:
        """Keep the objects up to date while the block runs. The block gets a future that is done only after a bug."""
        tasks = [asyncio.create_task(self._feed(feed), name=str(feed)) for feed in self._restarts]
        tasks.append(asyncio.create_task(self._list_again(), name="relist"))
        async with together(*tasks) as working:
            yield working

    def why_not_ready(self) -> str:
        """Return why the objects aren't complete, for people. Empty if they are."""
        missing = sorted(map(str, self._unlisted))
        return f"the first list of {', '.join(missing)} isn't complete yet" if missing else ""

    def memberships(self) -> Iterable[Membership]:
        """Return all Memberships."""
        every = (one for here in self._objects[Membership].values() for one in here.values())
        return [one for one in every if isinstance(one, Membership)]

    def membership(self, uid: str) -> Membership | None:
        """Return the Membership with a uid, or None."""
        return next((one for one in self.memberships() if one.metadata.uid == uid), None)

    def place_of(self, uid: str) -> Place | None:
        """Return namespace and name of the Membership with a uid, or None."""
        membership = self.membership(uid)
        return None if membership is None else (membership.namespace, membership.name)

    def organization(self, namespace: str) -> Organization | None:
        """Return the Organization in force in a namespace, or None."""
        here = self._objects[Organization].get(namespace, {}).values()
        return oldest([one for one in here if isinstance(one, Organization)])

    def namespaces(self) -> Sequence[str]:
        """Return the namespaces that have an Organization."""
        return sorted(self._objects[Organization])

    def members(self, namespace: str) -> Sequence[Membership]:
        """Return the Memberships of a namespace."""
        return [one for one in self._objects[Membership].get(namespace, {}).values() if isinstance(one, Membership)]

    def api_keys(self, namespace: str) -> Sequence[ApiKey]:
        """Return the ApiKeys of a namespace."""
        return [one for one in self._objects[ApiKey].get(namespace, {}).values() if isinstance(one, ApiKey)]

    async def _feed(self, feed: Feed) -> None:
        async for news in follow(self._cluster, feed, self._restarts[feed], watch_seconds=_WATCH_SECONDS):
            match news:
                case Listed(objects):
                    self._replace(feed, objects)
                    self._unlisted.discard(feed)
                case Changed(body, deleted):
                    one = Indexed.of(feed.resource, body)
                    self._put(feed.resource, one.place, None if deleted else one.resource)
                case _:
                    continue
            self.changed.set()

    async def _list_again(self) -> None:
        while True:
            await asyncio.sleep(_RELIST_SECONDS)
            for restart in self._restarts.values():
                restart.set()

    def _replace(self, feed: Feed, objects: Sequence[Indexed]) -> None:
        """Replace all objects of a feed by those of a list."""
        listed = {one.place for one in objects}
        places = [(space, name) for space, here in self._objects[feed.resource].items() for name in here]
        for place in places:
            if place not in listed and feed.namespace in (None, place[0]):
                self._put(feed.resource, place, None)
        for one in objects:
            self._put(feed.resource, one.place, one.resource)

    def _put(self, resource: type[Resource], place: Place, new: Resource | None) -> None:
        """Store an object, or remove it if it is None: deleted, or not as the schema says."""
        here = self._objects[resource].setdefault(place[0], {})
        if new is not None:
            here[place[1]] = new
            return
        here.pop(place[1], None)
        if not here:
            del self._objects[resource][place[0]]
