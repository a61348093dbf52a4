"""The client of the API server: requests in plain JSON over a bounded number of connections."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from tenure.domain.resources import Resource
from tenure.domain.resources.base import FIELD_MANAGER, Model
from tenure.errors import ObjectNotFoundError, UnavailableError
from tenure.kube.answers import parse_answer
from tenure.kube.breaker import Loop
from tenure.kube.connection import Connection
from tenure.kube.credentials import Credentials
from tenure.kube.gate import Gate, Passage
from tenure.kube.objects import PAGE_SIZE, collection_path, next_page, object_path, parse
from tenure.kube.tls import RenewedContext
from tenure.kube.turns import Turns
from tenure.observability.metrics import Meter
from tenure.observability.process_catalogue import API_REQUESTS, NO_ANSWER

CONNECTIONS = 16
YIELDING = 8
"""Number of the connections that work uses of which there may be much. Each answer takes the process about 2 ms, and
those that arrive together are handled in a row. So this also bounds for how long nothing else is done, such as an
answer to a review or to the kubelet."""

TIMEOUT_SECONDS = 30.0
LONGEST_LINE_BYTES = 4 * 1024 * 1024

R = TypeVar("R", bound=Resource)

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
"""A warning in a header `Warning`. A proxy may join several headers into one."""

_JSON = "application/json"
_RETRY_AFTER = "Retry-After"
_UNTIMED = aiohttp.ClientTimeout()
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Cluster:
    """A client of an API server. It is an asynchronous context manager that closes its connections."""

    def __init__(
        self,
        connection: Connection,
        meter: Meter | None = None,
        *,
        connections: int = CONNECTIONS,
        field_manager: str = FIELD_MANAGER,
        shared: aiohttp.BaseConnector | None = None,
        gate: Gate | None = None,
    ) -> None:
        """Without a gate, each request is sent, even if the API server is away."""
        self.connection = connection
        self.gate = gate
        self._field_manager = field_manager
        self._meter = meter or Meter()
        self._session = connection.session(connections=connections, shared=shared)
        self._turns = Turns(YIELDING)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @asynccontextmanager
    async def acting(
        self, *, credentials: Credentials | None = None, impersonated: Sequence[tuple[str, str]] = ()
    ) -> AsyncIterator["Cluster"]:
        """Give a client with another identity while the block runs. It uses this client's connections.

        Raises:
            ValueError: the connections have a certificate of this client, which counts before other credentials.
        """
        own = self.connection
        if credentials and isinstance(own.ssl_context, RenewedContext) and own.ssl_context.authenticates:
            raise ValueError("the connections authenticate by a certificate, so other credentials wouldn't count")
        other = replace(own, credentials=credentials or own.credentials, impersonated=impersonated)
        async with Cluster(
            other, self._meter, field_manager=self._field_manager, shared=self._session.connector
        ) as cluster:
            yield cluster

    async def turn(self, loop: Loop) -> None:
        """Wait while the API server is away. A loop calls it before each of its rounds, and so resumes slowly."""
        if self.gate is not None:
            await self.gate.turn(loop)

    @property
    def is_away(self) -> bool:
        """Whether requests fail at once, because the API server is away."""
        return self.gate is not None and self.gate.is_closed

    def _passing(self, what: str) -> contextlib.AbstractContextManager[Passage]:
        return contextlib.nullcontext(Passage()) if self.gate is None else self.gate.passing(what)

    async def get(self, resource: type[R], namespace: str, name: str) -> R:
        """Read an object consistently.

        Raises:
            ObjectNotFoundError: it doesn't exist.
            KindNotServedError: its kind isn't served, which says nothing about the object.
        """
        return parse(resource, await self.request("GET", object_path(resource, namespace, name)))

    async def pages(
        self, resource: type[R], namespace: str | None, *, selector: str = "", largest: int = PAGE_SIZE
    ) -> AsyncIterator[tuple[list[Mapping[str, Any]], str]]:
        """List objects consistently, page by page, each with the list's resourceVersion. None means all namespaces.

        A page is empty once the next one is asked for, so that only one is in memory. `selector` is a field selector,
        e.g. `spec.role=Owner`. Pages of small objects grow up to `largest`.
        """
        params = {"limit": str(PAGE_SIZE), **({"fieldSelector": selector} if selector else {})}
        sizes: list[int] = []
        while True:
            answer = await self.request("GET", collection_path(resource, namespace), params=params, sized=sizes.append)
            items, metadata = answer["items"], answer["metadata"]
            yield items, metadata["resourceVersion"]
            items.clear()
            if not metadata.get("continue"):
                return
            params["continue"] = metadata["continue"]
            params["limit"] = str(next_page(int(params["limit"]), sizes.pop(), largest))

    async def list_in(self, resource: type[R], namespace: str, *, selector: str = "") -> list[R]:
        """List a namespace's objects consistently."""
        pages = self.pages(resource, namespace, selector=selector)
        return [parse(resource, {"kind": resource.kind, **body}) async for items, _ in pages for body in items]

    async def update_status(self, old: R, status: Model) -> R:
        """Replace an object's status, unless the object changed since it was read.

        This is a merge patch with null for each field that isn't set, so it keeps fields that a newer version wrote.
        It also keeps those that another program writes (`Model.foreign`).

        Raises:
            ConflictError: the object changed, or it is another one of the same name.
        """
        body = {
            "metadata": {"uid": old.metadata.uid, "resourceVersion": old.metadata.resource_version},
            "status": status.model_dump(by_alias=True, mode="json", exclude=set(status.foreign)),
        }
        path = f"{object_path(type(old), old.namespace, old.name)}/status"
        return parse(type(old), await self.request("PATCH", path, body=body, content_type=MERGE_PATCH))

    async def delete(self, old: Resource, *, any_version: bool = False) -> None:
        """Delete an object, unless it changed since it was read. With `any_version`, only the uid has to be the same.

        It is no error if the object doesn't exist any more.

        Raises:
            ConflictError: the object changed, or it is another one of the same name.
        """
        version = {} if any_version else {"resourceVersion": old.metadata.resource_version}
        await self.delete_path(object_path(type(old), old.namespace, old.name), {"uid": old.metadata.uid, **version})

    async def version(self, resource: type[Resource], namespace: str | None = None) -> int:
        """Return the store's latest resourceVersion, from a consistent list of one object.

        A namespace only says where this process may list. The version is the same in each.
        """
        answer = await self.request("GET", collection_path(resource, namespace), params={"limit": "1"})
        return int(answer["metadata"]["resourceVersion"])

    async def watch(
        self, resource: type[Resource], version: str, namespace: str | None = None, *, seconds: int
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Watch a kind from a resourceVersion on, for so many seconds, and yield the events.

        None means all namespaces. The events include bookmarks: about one a minute, and one two seconds before the end.

        Raises:
            UnavailableError: the watch broke, or didn't end in time.
            ApiError: the API server rejected it.
        """
        path = collection_path(resource, namespace)
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        what = f"WATCH {path}"
        try:
            with self._passing(what):
                answer = await self._begin_watch(what, path, params, seconds)
            async with answer:
                async for line in answer.content:
                    yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnavailableError(f"{what}: {str(error) or 'no data in time'}") from error

    async def _begin_watch(
        self, what: str, path: str, params: Mapping[str, str], seconds: int
    ) -> aiohttp.ClientResponse:
        """Open a watch. The API server answers at once, even if there are no events."""
        timeout = aiohttp.ClientTimeout(total=seconds + TIMEOUT_SECONDS, sock_connect=TIMEOUT_SECONDS)
        url, headers = self.connection.server + path, {"Accept": _JSON}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._session.get(
                    url, params=params, headers=headers, timeout=timeout, read_bufsize=LONGEST_LINE_BYTES
                )
                if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                    parse_answer(what, answer.status, await answer.read(), answer.headers.get(_RETRY_AFTER))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(f"{what}: {str(error) or 'no answer in time'}") from error
        return answer

    async def clock(self) -> datetime:
        """Return the time of the API server's clock, in whole seconds.

        The times of issue are by that clock, and the clock of this machine may be wrong.
        """
        what = "GET /version"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with (
                self._turns.taken(),
                self._session.get(self.connection.server + "/version", timeout=timeout) as answer,
            ):
                return parsedate_to_datetime(answer.headers["Date"])  # A rejection has it too.
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(f"{what}: {str(error) or 'no answer in time'}") from error
        except (KeyError, ValueError) as error:
            raise UnavailableError(f"{what}: the answer has no Date header") from error

    async def read(self, path: str) -> dict[str, Any]:
        """Read any path, e.g. a CustomResourceDefinition's."""
        return await self.request("GET", path)

    async def review(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post a review, which stores no object, and return the answer."""
        return await self.request("POST", path, body=body)

    async def delete_path(self, path: str, preconditions: Mapping[str, str]) -> None:
        """Delete the object at a path. It is no error if it doesn't exist any more.

        Raises:
            ConflictError: a precondition doesn't hold.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": "Background",
        }
        try:
            await self.request("DELETE", path, body=options)
        except ObjectNotFoundError:
            return

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = _JSON,
        seconds: float = TIMEOUT_SECONDS,
        warned: Callable[[str], None] | None = None,
        sized: Callable[[int], object] = lambda _: None,
    ) -> dict[str, Any]:
        """Make any request and return the answer's body. `warned` gets each warning of the API server and its webhooks.

        `sized` gets the length of the answer in bytes.

        Raises:
            ApiError: the API server rejected it, or couldn't be reached.
        """
        manager = {"fieldManager": self._field_manager} if method in {"POST", "PUT", "PATCH"} else {}
        what = f"{method} {path}"
        with self._passing(what) as passage:
            send = partial(
                self._session.request,
                method,
                self.connection.server + path,
                params={**manager, **(params or {})},
                data=None if body is None else json.dumps(body),
                headers={"Accept": _JSON, "Content-Type": content_type},
                timeout=_UNTIMED,
            )
            answer, text = await self._answer(what, send, seconds)
            passage.answered(answer)
            sized(len(text))
            if warned is not None:
                for found in _WARNING.finditer(", ".join(answer.headers.getall("Warning", []))):
                    warned(re.sub(r"\\(.)", r"\1", found[1]))
            return parse_answer(what, answer.status, text, answer.headers.get(_RETRY_AFTER))

    async def _answer(
        self,
        what: str,
        send: Callable[[], contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]],
        seconds: float,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a request once it is its turn, and return the answer and its body."""
        method = what.partition(" ")[0]
        try:
            # The timeout includes the credentials, because a program that gives them may hang. It begins with the turn.
            async with self._turns.taken(), asyncio.timeout(seconds), send() as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._meter.count(API_REQUESTS, method, NO_ANSWER)
            raise UnavailableError(f"{what}: {str(error) or 'no answer in time'}") from error
        self._meter.count(API_REQUESTS, method, str(answer.status))
        return answer, text
