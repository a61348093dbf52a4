"""The HTTP server of programs that others call: uvicorn, with limits and without headers of its own."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import uvicorn

from tenure.process.http_protocol import BoundedProtocol

_STOPS_WITHIN_SECONDS = 3

Application = Callable[..., Awaitable[None]]
"""An ASGI application."""


def server_configuration(
    application: Application, *, host: str, port: int, context: ssl.SSLContext | None = None
) -> uvicorn.Config:
    """Return the configuration of uvicorn for the application, in plain HTTP if there is no TLS context."""
    configuration = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOPS_WITHIN_SECONDS,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    configuration.load()
    return configuration


async def serve(
    server: uvicorn.Server, listening: socket.socket, stop: asyncio.Event, working: Iterable[asyncio.Future[Any]] = ()
) -> None:
    """Serve until `stop` is set or a future of `working` is done, and raise that one's error."""
    working = list(working)
    serving = asyncio.create_task(server._serve([listening]), name="server")  # noqa: SLF001 - `serve` takes the signals
    stopping = asyncio.create_task(stop.wait())
    ends: set[asyncio.Future[Any]] = {serving, stopping, *working}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
    for future in working:
        if future.done():
            future.result()
