"""The API server as the benchmark's own client sees it: the administrator, plain JSON, 16 connections."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp

from tenure_dev.controlplane import ControlPlane

CONNECTIONS = 16
API_VERSION = "tenure.dev/v1alpha1"
MERGE_PATCH = "application/merge-patch+json"

_LINE_LIMIT = 1 << 22
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_FOREVER = aiohttp.ClientTimeout(total=None)


class RequestFailedError(Exception):
    """The API server refused what the benchmark asked for."""


class Api:
    """An asynchronous context manager; watches have connections of their own."""

    def __init__(self, plane: ControlPlane) -> None:
        context = ssl.create_default_context(cafile=str(plane.certificate_authority))
        context.load_cert_chain(plane.admin.certificate, plane.admin.key)
        self._calls = self._session(plane, context, CONNECTIONS)
        self._watches = self._session(plane, context, 0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._calls.close()
        await self._watches.close()

    async def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content_type: str = "application/json"
    ) -> bytes:
        """Make a request and return the answer as it came; any answer but 2xx is an error."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        async with self._calls.request(method, path, data=data, headers=headers, timeout=_TIMEOUT) as answer:
            text = await answer.read()
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise RequestFailedError(f"{method} {path}: {answer.status}: {text.decode(errors='replace')}")
            return text

    async def get(self, path: str) -> dict[str, Any]:
        """Read an object or a list."""
        answer: dict[str, Any] = json.loads(await self.send("GET", path))
        return answer

    async def exists(self, path: str) -> bool:
        """Whether there is anything at a path."""
        async with self._calls.get(path, timeout=_TIMEOUT) as answer:
            return answer.status != HTTPStatus.NOT_FOUND

    async def version(self, path: str) -> str:
        """The resourceVersion of a collection as it is now."""
        return str((await self.get(f"{path}?limit=1"))["metadata"]["resourceVersion"])

    @asynccontextmanager
    async def watch(self, path: str, version: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Watch a collection from a resourceVersion on; the watch is open when the block begins."""
        url = f"{path}?watch=1&resourceVersion={version}"
        async with self._watches.get(url, timeout=_FOREVER, read_bufsize=_LINE_LIMIT) as answer:
            answer.raise_for_status()
            yield _events(answer)

    @staticmethod
    def _session(plane: ControlPlane, context: ssl.SSLContext, connections: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, ssl=context)
        return aiohttp.ClientSession(plane.server, connector=connector, headers={"User-Agent": "tenure-bench"})


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.content:
        yield json.loads(line)


def collection(namespace: str, plural: str) -> str:
    """The path of a namespace's objects of one of Tenure's kinds."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{plural}"
