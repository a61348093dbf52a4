"""etcd's own API over HTTP, for stores that are too large to be written through the API server."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Self

import aiohttp

_AT_ONCE = 100
"""Writes in a transaction. etcd accepts 128."""
_CONNECTIONS = 4


class Etcd:
    """The etcd of a control plane. It is an asynchronous context manager."""

    def __init__(self, endpoint: str) -> None:
        timeout = aiohttp.ClientTimeout(total=120)
        self._session = aiohttp.ClientSession(endpoint, timeout=timeout, raise_for_status=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def read(self, prefix: str) -> dict[bytes, bytes]:
        """The values under all keys that begin with `prefix`."""
        answer = await self._post("range", _below(prefix))
        return {b64decode(pair["key"]): b64decode(pair["value"]) for pair in answer.get("kvs", ())}

    async def write(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Write values, many to a transaction."""
        left = iter(pairs)

        async def work() -> None:
            while batch := list(islice(left, _AT_ONCE)):
                puts = [{"requestPut": {"key": _text(key), "value": _text(value)}} for key, value in batch]
                await self._post("txn", {"success": puts})

        async with asyncio.TaskGroup() as group:
            for _ in range(_CONNECTIONS):
                group.create_task(work())

    async def remove(self, prefix: str) -> None:
        """Remove all keys that begin with `prefix`."""
        await self._post("deleterange", _below(prefix))

    async def _post(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._session.post(f"/v3/kv/{what}", json=body) as answer:
            found: dict[str, Any] = await answer.json()
            return found


def _below(prefix: str) -> dict[str, str]:
    first = prefix.encode()
    return {"key": _text(first), "rangeEnd": _text(first[:-1] + bytes([first[-1] + 1]))}


def _text(data: bytes) -> str:
    return b64encode(data).decode()
