"""A proxy between the operator and the API server, which loses, delays, forges and counts requests.

It listens on plain HTTP on loopback and passes everything on as an administrator, or as a user whom it impersonates.
Hooks run in the proxy's own thread, so they may be set at any time and must not touch an event loop of the test.
"""

import asyncio
import selectors
import ssl
import threading
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from aiohttp import web

from support.faults.exchange import DROP, Answer, Exchange, Reply, Request
from support.run.slowness import NEVER
from tenure_dev import kubeconfig
from tenure_dev.controlplane import ControlPlane

OnRequest = Callable[[Request], Awaitable[Answer]]
OnResponse = Callable[[Request, Reply], Awaitable[Answer]]
OnWatchLine = Callable[[Request, bytes], Awaitable[bytes | None]]

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "content-length"}
# The API server must answer uncompressed, and as the proxy's own user.
_NOT_FORWARDED = _HOP_BY_HOP | {"host", "accept-encoding", "authorization"}

T = TypeVar("T")


class Proxy:
    """A running proxy; a context manager. What a hook raised is raised again by `stop`."""

    def __init__(self, plane: ControlPlane, *, as_user: str | None = None) -> None:
        self.on_request: OnRequest | None = None
        """Sees each request before the API server does: None passes it on, a `Reply` answers it, DROP hangs up."""
        self.on_response: OnResponse | None = None
        """Sees each answer (watches excepted) before the client does: None passes it on, and so forth."""
        self.on_watch_line: OnWatchLine | None = None
        """Sees each line of a watch, and returns what the client gets: the line, another one, or None for nothing."""
        self.exchanges: list[Exchange] = []
        """All requests in the order of their arrival."""
        self._plane = plane
        self._as_user = as_user
        self._errors: list[BaseException] = []
        self._watches: set[asyncio.Task[object]] = set()
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._tls = ssl.create_default_context(cafile=str(plane.certificate_authority))
        self._tls.load_cert_chain(plane.admin.certificate, plane.admin.key)
        self._listens_with: ssl.SSLContext | None = None

    def start(self) -> Self:
        """Listen on a free port of the loopback."""
        self._thread.start()
        self.port = self._run(self._open())
        return self

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for clients of the proxy and return its path."""
        return kubeconfig.write(path, self.url)

    def writes(self, resource: str = "") -> list[Exchange]:
        """Return the exchanges that could change an object, of one resource (`memberships/status`) or of all."""
        return [e for e in self.exchanges if e.request.is_write and resource in {"", e.request.resource}]

    def reset(self) -> None:
        """Forget the exchanges and take the hooks away."""
        self.on_request = self.on_response = self.on_watch_line = None
        self.exchanges.clear()

    def before_write(self, number: int, do: Callable[[], None], *, resource: str = "") -> None:
        """At the `number`-th write from now, call `do` instead: that write and all later ones are lost."""
        left = number

        async def hook(request: Request) -> Answer:
            nonlocal left
            if request.is_write and resource in {"", request.resource}:
                left -= 1
                if left == 0:
                    do()
            return DROP if left <= 0 and request.is_write else None

        self.on_request = hook

    def after_write(self, number: int, do: Callable[[], None], *, resource: str = "") -> None:
        """Once the `number`-th write from now is stored, call `do`; its answer is lost, and all later writes are."""
        left = number

        async def on_request(request: Request) -> Answer:
            return DROP if left <= 0 and request.is_write else None

        async def on_response(request: Request, reply: Reply) -> Answer:
            nonlocal left
            del reply
            if not request.is_write or resource not in {"", request.resource}:
                return None
            left -= 1
            if left == 0:
                do()
            return DROP if left <= 0 else None

        self.on_request, self.on_response = on_request, on_response

    def cut_watches(self) -> int:
        """Cut all open watches in mid-air and return their number."""

        async def cut() -> int:
            for task in self._watches:
                task.cancel()
            return len(self._watches)

        return self._run(cut())

    def stop(self) -> None:
        """Close everything; raises the first error that a hook raised."""
        if not self._thread.is_alive():
            return
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._errors:
            raise self._errors[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(timeout=NEVER)

    async def _open(self) -> int:
        self._session = aiohttp.ClientSession(
            base_url=self._plane.server,
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=["Accept-Encoding", "User-Agent", "Content-Type", "Accept"],
        )
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # With cancellation a watch ends upstream as soon as its client has gone.
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._listens_with)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _close(self) -> None:
        for task in self._watches:
            task.cancel()
        await self._runner.cleanup()
        await self._session.close()
        # TLS takes its leave in its own time; a connection left open when the loop ends would warn in a later test.
        while len(self._selector.get_map()) > 1:  # noqa: ASYNC110 - nothing tells; the one is the loop's own
            await asyncio.sleep(0.01)

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        request = await Request.read(incoming)
        exchange = Exchange(request)
        self.exchanges.append(exchange)
        try:
            answer = await self.on_request(request) if self.on_request else None
            if answer is None and request.is_watch:
                return await self._watch(incoming, exchange)
            reply = await self._forward(request) if answer is None else answer
            if answer is None and self.on_response and isinstance(reply, Reply):
                reply = await self.on_response(request, reply) or reply
        except aiohttp.ClientError:
            # The API server is down or hung up: so does the proxy.
            reply = DROP
        except Exception as error:
            self._errors.append(error)
            raise
        if isinstance(reply, Reply):
            exchange.status, exchange.reply = reply.status, reply
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        return _hang_up(incoming)

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED}
        return headers if self._as_user is None else {**headers, "Impersonate-User": self._as_user}

    async def _forward(self, request: Request) -> Reply:
        async with self._session.request(
            request.method, request.url, data=request.body, headers=self._headers(request)
        ) as upstream:
            return Reply(upstream.status, await upstream.read(), _end_to_end(upstream.headers.items()))

    async def _watch(self, incoming: web.Request, exchange: Exchange) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        request = exchange.request
        try:
            async with self._session.get(request.url, headers=self._headers(request)) as upstream:
                exchange.status = upstream.status
                response = web.StreamResponse(status=upstream.status, headers=_end_to_end(upstream.headers.items()))
                await response.prepare(incoming)
                buffer = b""
                async for chunk in upstream.content.iter_any():
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in lines:
                        await self._pass_line(request, line + b"\n", response)
                await response.write_eof(buffer)
                return response
        except (asyncio.CancelledError, ConnectionResetError):
            return _hang_up(incoming)
        finally:
            self._watches.discard(task)

    async def _pass_line(self, request: Request, line: bytes, response: web.StreamResponse) -> None:
        passed = await self.on_watch_line(request, line) if self.on_watch_line else line
        if passed is not None:
            await response.write(passed)


def _end_to_end(headers: object) -> dict[str, str]:
    pairs = dict(headers)  # type: ignore[call-overload]
    return {name: value for name, value in pairs.items() if name.lower() not in _HOP_BY_HOP}


def _hang_up(incoming: web.Request) -> web.Response:
    if incoming.transport is not None:
        incoming.transport.abort()
    return web.Response(status=HTTPStatus.BAD_GATEWAY)
