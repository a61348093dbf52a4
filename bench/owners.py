"""What holds the memory of a key: bytes by owner, each measured as what its data structures allocate."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kopf._core.reactor.inventory import ResourceMemories

from bench.api import Api, collection
from bench.figures import Bytes
from tenure.controller.cache import Cache
from tenure.controller.queue import WorkQueue
from tenure.controller.refs import ref_of
from tenure.controller.watch_lag import Watches
from tenure.domain.resources import ApiKey
from tenure.kube.list_watch import Indexed
from tenure.verifier.index import Index


async def owners(api: Api, namespace: str) -> Bytes:
    """Measure with the keys of a namespace."""
    bodies = (await api.get(collection(namespace, "apikeys")))["items"]
    text = json.dumps(bodies)
    del bodies
    keys: list[ApiKey] = []
    tracemalloc.start()
    try:
        taken = {"the key: its parts, texts and times": await _taken(lambda: _parse(text, keys))}
        taken |= await _of_controller(keys)
        taken |= await _of_verifier(keys)
    finally:
        tracemalloc.stop()
    return Bytes(len(keys), {owner: allocated / len(keys) for owner, allocated in taken.items()})


async def _taken(act: Callable[[], Awaitable[object]]) -> int:
    """Bytes that are allocated by what an action leaves. The action returns what has to stay."""
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    kept = await act()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    del kept
    return after - before


async def _parse(text: str, keys: list[ApiKey]) -> None:
    keys += [ApiKey.from_body(body) for body in json.loads(text)]


async def _of_controller(keys: Sequence[ApiKey]) -> Mapping[str, int]:
    refs = [ref_of(key) for key in keys]

    async def cache() -> object:
        filled = Cache()
        for key in keys:
            filled.put(key, asyncio.get_running_loop().time())
        return filled

    async def watches() -> object:
        expecting = Watches()
        for ref, key in zip(refs, keys, strict=True):
            expecting.expect(ref, int(key.metadata.resource_version), asyncio.get_running_loop().time())
        return expecting

    async def queue() -> object:
        waiting = WorkQueue()
        for ref in refs:
            waiting.add(ref)
        return waiting

    async def kopf() -> object:
        memories = ResourceMemories()
        for key in keys:
            body: Any = {"metadata": {"uid": key.metadata.uid}}
            await memories.recall(body, noticed_by_listing=True)
        return memories

    return {
        "the controller's cache: address, indexes, time": await _taken(cache),
        "… during the first list: what the watches have to deliver": await _taken(watches),
        "… while it waits: the queue": await _taken(queue),
        "Kopf's record, which Tenure has it not keep": await _taken(kopf),
    }


async def _of_verifier(keys: Sequence[ApiKey]) -> Mapping[str, int]:
    async def index() -> object:
        filled = Index()
        objects = [Indexed((key.namespace, key.name), key) for key in keys]
        await filled.replace(ApiKey, objects, datetime.now(UTC))
        return filled

    return {"the verifier's index": await _taken(index)}
