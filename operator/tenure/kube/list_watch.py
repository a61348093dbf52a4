"""Feeds: list all objects of a kind, then watch its changes, and report the resourceVersion that was reached."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from tenure.domain.resources import Resource
from tenure.errors import MalformedObjectError, TenureError, UnavailableError
from tenure.kube.breaker import Loop
from tenure.kube.cluster import Cluster
from tenure.kube.objects import LARGEST_PAGE, parse
from tenure.observability.log_limits import cause_of, warn_once_a_minute

log = logging.getLogger("tenure.feeds")

_SHORTEST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_GONE = 410


class Feed(NamedTuple):
    """A list and watch of one kind."""

    resource: type[Resource]
    namespace: str | None = None
    """None means all namespaces."""

    def __str__(self) -> str:
        return self.resource.plural + (f" of namespace {self.namespace}" if self.namespace is not None else "")


@dataclass(frozen=True, slots=True)
class Indexed:
    """An object of a list or a watch, without what no decision needs."""

    place: tuple[str, str]
    """Namespace and name."""

    resource: Resource | None
    """None if it doesn't fit the schema or was deleted."""

    @classmethod
    def of(cls, resource: type[Resource], body: Mapping[str, Any]) -> Self:
        """Parse an object as the API server sent it."""
        try:
            parsed = parse(resource, body)
        except MalformedObjectError:
            metadata = body["metadata"]
            return cls((metadata["namespace"], metadata["name"]), None)
        return cls((parsed.namespace, parsed.name), parsed)  # Not the body's texts, which would be in memory twice.


@dataclass(frozen=True)
class Listed:
    """A complete list of the objects of a feed, as of a version. An object that isn't in it doesn't exist."""

    objects: Sequence[Indexed]
    version: int
    asked_at: float
    """When the list was requested, on the event loop's clock."""


@dataclass(frozen=True)
class Changed:
    """An object that was added, modified or deleted."""

    body: Mapping[str, Any]
    deleted: bool
    version: int


@dataclass(frozen=True)
class Reached:
    """A bookmark: all changes up to a version have been delivered."""

    version: int


News = Listed | Changed | Reached


class _RelistError(Exception):
    """The watch can't be resumed from its version, or a relist was requested."""


async def follow(cluster: Cluster, feed: Feed, restart: asyncio.Event, *, watch_seconds: int) -> AsyncGenerator[News]:
    """List and watch, forever. A watch that ends regularly is resumed, and one that breaks leads to a relist.

    While no watch was open, etcd may have been restored from a backup and have grown past the version at which the
    watch broke. A watch from that version would never report what the restore took back. So the feed relists then, and
    also if `restart` is set.

    A watch lasts for `watch_seconds`. Near its end the API server sends a bookmark with the version that it has
    reached, even if no object changed.
    """
    version, pause = "", _SHORTEST_PAUSE_SECONDS
    while True:
        await cluster.turn(Loop.WATCH)
        try:
            if not version or restart.is_set():
                restart.clear()
                asked_at = asyncio.get_running_loop().time()
                objects, version = await _list(cluster, feed)
                if restart.is_set():  # Set during the list, so this list may show the state before the restore.
                    continue
                yield Listed(objects, int(version), asked_at)
            async for news in _watch(cluster, feed, version, restart, watch_seconds):
                version, pause = str(news.version), _SHORTEST_PAUSE_SECONDS
                yield news
        except _RelistError:
            version = ""
        except TenureError as error:
            warn_once_a_minute(log, (feed, cause_of(error)), "Can't list or watch %s now: %s", feed, error)
            version = ""
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def _list(cluster: Cluster, feed: Feed) -> tuple[list[Indexed], str]:
    """List all objects. Only one page of bodies is in memory at a time."""
    objects: list[Indexed] = []
    version = ""
    async for items, listed_at in cluster.pages(feed.resource, feed.namespace, largest=LARGEST_PAGE):
        objects += [Indexed.of(feed.resource, body) for body in items]
        version = listed_at
    return objects, version


async def _watch(
    cluster: Cluster, feed: Feed, version: str, restart: asyncio.Event, seconds: int
) -> AsyncGenerator[Changed | Reached]:
    async for event in cluster.watch(feed.resource, version, feed.namespace, seconds=seconds):
        if restart.is_set():
            raise _RelistError
        body = event["object"]
        if event["type"] == "ERROR":
            if body.get("code") == _GONE:
                raise _RelistError
            raise UnavailableError(f"watch of {feed}: {body.get('message')}")
        reached = int(body["metadata"]["resourceVersion"])
        if event["type"] == "BOOKMARK":
            yield Reached(reached)
        else:
            yield Changed(body, event["type"] == "DELETED", reached)
