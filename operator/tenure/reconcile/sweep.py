"""The sweep: list everything every few minutes and put it through the same path, so that no event needs to be seen."""

import asyncio
from collections.abc import Sequence

from tenure.domain.resources import KINDS, ApiKey, Resource
from tenure.errors import MalformedObjectError
from tenure.kube.cluster import parse
from tenure.reconcile.apikeys import ApiKeys
from tenure.reconcile.context import Context, log
from tenure.reconcile.mirror import Ref, ref_of

_TICK_SECONDS = 0.05


class Sweep:
    """Lists of the three kinds, in the namespaces that are served; none named: all."""

    def __init__(self, context: Context, api_keys: ApiKeys, namespaces: Sequence[str]) -> None:
        self._context = context
        self._api_keys = api_keys
        self._places: Sequence[str | None] = namespaces or (None,)
        self._versions: dict[tuple[type[Resource], str | None], int] = {}

    async def fill(self) -> None:
        """Bring the mirror up to date, and forget what isn't listed any more."""
        for resource in KINDS:
            for place in self._places:
                await self._fill(resource, place)

    async def check(self, seconds: float) -> None:
        """Have every object looked at within so many seconds, evenly, each key with its Secret."""
        loop = asyncio.get_running_loop()
        began, refs = loop.time(), [ref_of(resource) for resource in self._context.mirror.all()]
        for position, ref in enumerate(refs, start=1):
            due = began + seconds * position / len(refs)
            if due - loop.time() >= _TICK_SECONDS:
                await asyncio.sleep(due - loop.time())
            self._context.queue.check(ref)
        await asyncio.sleep(max(began + seconds - loop.time(), 0.0))

    async def _fill(self, resource: type[Resource], place: str | None) -> None:
        listed: set[tuple[Ref, str]] = set()
        version = ""
        async for items, version in self._context.cluster.pages(resource, place):
            self._notice_restore(resource, place, int(version))
            for body in items:
                metadata = body["metadata"]
                ref = Ref(resource, metadata["namespace"], metadata["name"])
                listed.add((ref, metadata["uid"]))
                if self._context.mirror.holds(ref, metadata):
                    continue
                try:
                    self._context.take_in(parse(resource, body))
                except MalformedObjectError as error:
                    log.warning("left alone, since it doesn't fit the schema: %s", error)
            await asyncio.sleep(0)
        self._forget(resource, place, listed, int(version))

    def _notice_restore(self, resource: type[Resource], place: str | None, version: int) -> None:
        """Drop what is known where the resourceVersion went back, as it does when etcd is restored from a backup."""
        before = self._versions.get((resource, place), version)
        self._versions[resource, place] = version
        if version >= before:
            return
        log.warning("%s: resourceVersion went back from %d to %d; listed anew", resource.plural, before, version)
        for known in self._known(resource, place):
            self._context.mirror.remove(ref_of(known), known.metadata.uid)

    def _known(self, resource: type[Resource], place: str | None) -> list[Resource]:
        return [
            known
            for known in self._context.mirror.all()
            if isinstance(known, resource) and place in (None, known.namespace)
        ]

    def _forget(self, resource: type[Resource], place: str | None, listed: set[tuple[Ref, str]], version: int) -> None:
        """Forget what the list doesn't hold, unless it was seen after the list was made."""
        for known in self._known(resource, place):
            metadata, ref = known.metadata, ref_of(known)
            if (ref, metadata.uid) in listed or int(metadata.resource_version) > version:
                continue
            change = self._context.mirror.remove(ref, metadata.uid)
            if change is not None:
                self._context.spread(change, itself=True)
                if isinstance(known, ApiKey):
                    self._api_keys.orphan(known, proved=False)
