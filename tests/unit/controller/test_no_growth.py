"""Nothing grows with the past: objects by the thousand come and go, and neither a collection nor the heap keeps any."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from support.objects.builders import NOW, api_key, issued, membership, organization
from support.objects.sizes import sizes
from support.run.heap import traced
from support.run.soak import size
from tenure.controller import recent
from tenure.controller.access.reconciler import WORKERS
from tenure.controller.gauges import survey_objects, survey_work
from tenure.controller.queue import Item
from tenure.controller.wiring import Parts, wire
from tenure.controller.worker import Work
from tenure.domain.installation import Installation, KubernetesAccess
from tenure.domain.resources import Resource
from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.observability.metrics import Meter, Queue

pytestmark = pytest.mark.asyncio(loop_scope="function")

OBJECTS = size(short=1_000, soak=10_000)
"""Of each kind."""

PAGE = 200


class EmptyCluster(Cluster):
    """The client of a cluster in which there is nothing any more."""

    def __init__(self) -> None:
        pass

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        if method == "GET" and path.rpartition("/")[2] in ("roles", "rolebindings"):
            return {"items": [], "metadata": {"resourceVersion": "1"}}
        raise ObjectNotFoundError(f"{method} {path}: not found", status=404)


def page(number: int) -> Iterator[Resource]:
    """Objects of each kind, in namespaces and with names that no other page has."""
    for position in range(number, number + PAGE):
        place = f"ns-{position}"
        org, member = organization(namespace=place), membership(f"m-{position}", namespace=place)
        key = api_key(f"k-{position}", membership=member.name, namespace=place)
        waits = issued(key, member, org, reason="QuotaExceeded") if position % 2 else issued(key, member, org)
        yield from (org, member, waits)


def at_version(resource: Resource, version: int) -> Resource:
    metadata = resource.metadata.model_copy(update={"resource_version": str(version)})
    return resource.model_copy(update={"metadata": metadata})


def body(resource: Resource) -> Mapping[str, Any]:
    return {"kind": resource.kind, **resource.model_dump(by_alias=True, mode="json")}


async def come_and_go(parts: Parts, number: int, present: asyncio.Event) -> None:
    """Tell of a page of objects, by watch events, lists and own writes, and then of their end.

    Nothing is reconciled while they are present, since the cluster has none of them.
    """
    present.set()
    objects = list(page(number))
    for one in objects:
        parts.informer.observe(type(one), "ADDED", body(one))
        parts.informer.take_in(at_version(one, 8), ours=one.name.endswith("3"))
    await survey_objects(parts.cache, parts.installation, NOW)
    present.clear()
    for position, one in enumerate(objects):
        if position % 3:
            parts.informer.observe(type(one), "DELETED", body(at_version(one, 9)))
        else:
            parts.informer.take_out(parts.cache.get(type(one), one.namespace, one.name) or one)
    await asyncio.sleep(3600)  # On the clock of these tests: until all that was enqueued is worked off.
    survey_work(parts.watches, parts.queues, {})


@pytest.mark.soak
async def test_objects_that_are_gone_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "SIZE", 100)
    installation = Installation(kubernetes_access=KubernetesAccess.ROLES_AND_KEYS)
    parts = wire(EmptyCluster(), installation=installation, now=lambda: NOW)

    async def reconcile(item: Item) -> None:
        await parts.reconcilers[item.ref.resource].reconcile(item)

    work = {Queue.OBJECTS: reconcile, Queue.BINDINGS: parts.bindings.reconcile}
    present = asyncio.Event()
    tasks = [
        task
        for name, queue in parts.queues.items()
        for task in queue.start(
            Work(parts.cache, Meter(), queue, name, work[name], lambda: not present.is_set()), workers=WORKERS
        )
    ]
    await come_and_go(parts, 0, present)
    before = sizes(parts)
    with traced() as heap:
        await come_and_go(parts, PAGE, present)
        heap.begin()
        for number in range(2 * PAGE, OBJECTS, PAGE):
            await come_and_go(parts, number, present)
        heap.check(OBJECTS - 2 * PAGE)
    grown = {path: (before[path], size) for path, size in sizes(parts).items() if size > before[path]}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert grown == {}
