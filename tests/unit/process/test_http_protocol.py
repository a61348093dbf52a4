"""The bounds of the HTTP servers: whoever is too slow loses the connection, and nobody else does.

The tests let the time of a bound be over, instead of waiting for it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import pytest
import uvicorn

from tenure.process import http_protocol
from tenure.process.http_server import server_configuration
from tenure_dev.controlplane import free_ports

OK = b"HTTP/1.1 200 OK"
SECONDS = 4321.0
"""No other timer of the server is as long."""


class Timer:
    """A bound that runs until it is stopped, or until a test says that it is over."""

    def __init__(self, close: Callable[[], object]) -> None:
        self.close = close
        self.running = True

    def cancel(self) -> None:
        self.running = False


class Bounds:
    """All bounds that the server's connections have had, in place of the event loop's timers for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timers: list[Timer] = []
        self._call_later = loop.call_later

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, **options: Any) -> Any:
        if delay != SECONDS:
            return self._call_later(delay, callback, *args, **options)
        self._timers.append(Timer(callback))
        return self._timers[-1]

    @property
    def running(self) -> list[Timer]:
        return [timer for timer in self._timers if timer.running]

    async def runs(self) -> Timer:
        """Wait until one bound runs, and return it."""
        await self._wait(1)
        return self.running[0]

    async def none_runs(self) -> None:
        """Wait until no bound runs."""
        await self._wait(0)

    async def _wait(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.running) != count:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)


@pytest.fixture
async def bounds(monkeypatch: pytest.MonkeyPatch) -> Bounds:
    loop = asyncio.get_running_loop()
    bounds = Bounds(loop)
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", SECONDS)
    monkeypatch.setattr(loop, "call_later", bounds.call_later)
    return bounds


async def unread(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer without a look at the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port(bounds: Bounds) -> AsyncIterator[int]:
    assert bounds.running == []
    (port,) = free_ports(1)
    server = uvicorn.Server(server_configuration(unread, host="127.0.0.1", port=port))
    serving = asyncio.create_task(server._serve())  # noqa: SLF001 - `serve` takes the signals
    while not server.started:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await serving


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection ends, also where it ends with a reset: bytes were under way to the server."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(60):
            while part := await reader.read(65536):
                answer += part
    return answer


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then."""
    for _ in range(5):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def test_a_head_that_never_ends_loses_its_connection(port: int, bounds: Bounds) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    bound = await bounds.runs()
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ")
    await trickle(writer)
    assert bounds.running == [bound], "more bytes give it no more time"
    bound.close()
    assert await read_to_end(reader) == b""
    writer.close()


async def test_a_body_that_nobody_reads_and_that_never_ends_loses_its_connection_after_the_answer(
    port: int, bounds: Bounds
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    of_the_head = await bounds.runs()
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(OK)
    bound = await bounds.runs()
    assert bound is not of_the_head
    await trickle(writer)
    assert bounds.running == [bound], "more bytes give it no more time"
    bound.close()
    assert await read_to_end(reader) == b""
    writer.close()


async def test_a_kept_connection_outlives_these_bounds_between_requests(port: int, bounds: Bounds) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        for request in (
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        ):
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(OK)
            await bounds.none_runs()
    writer.close()
