"""The controller's workers: whatever an object holds, they work on."""

import asyncio
from typing import Any, cast

import pytest

from support.builders import api_key
from tenure.domain.resources import Resource
from tenure.errors import ConflictError
from tenure.kube.cluster import Cluster, parse
from tenure.reconcile.context import Context
from tenure.reconcile.controller import Controller
from tenure.reconcile.mirror import ref_of

pytestmark = pytest.mark.asyncio(loop_scope="function")


class Changed:
    """An API server on which an ApiKey changed meanwhile, to something that the models don't take."""

    reads = 0

    async def get(self, resource: type[Resource], namespace: str, name: str) -> Resource:
        self.reads += 1
        metadata = {
            "name": name,
            "namespace": namespace,
            "uid": "u",
            "resourceVersion": "9",
            "creationTimestamp": "2027-01-04T09:00:00Z",
        }
        spec = {"membership": "alice", "access": "Full", "expiresAt": "0000-01-01T00:00:00Z"}
        return parse(resource, {"metadata": metadata, "spec": spec})

    async def update_status(self, *_: Any) -> Resource:
        raise ConflictError("the object has been modified", status=409)


async def test_an_object_that_turns_malformed_ends_no_worker() -> None:
    server = Changed()
    context = Context(cast("Cluster", server))
    controller = Controller(context, namespaces=(), resync_seconds=1000)
    key = api_key()
    context.mirror.put(key, 0.0)
    workers = context.queue.start(controller._work, workers=2)  # noqa: SLF001 - the loop around it is not the subject
    context.queue.add(ref_of(key))
    await asyncio.sleep(60)
    ended = [worker for worker in workers if worker.done()]
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert ended == []
    assert server.reads > 1, "it is tried again"
