"""The bounds of the HTTP servers: whoever is too slow loses the connection, and nobody else does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import pytest
import uvicorn

from tenure.process import http_protocol
from tenure.process.http_server import server_configuration
from tenure_dev.controlplane import free_ports

SECONDS = 0.3
OK = b"HTTP/1.1 200 OK"


async def unread(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer without a look at the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", SECONDS)
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
        while part := await reader.read(65536):
            answer += part
    return answer


async def trickle(port: int, first: bytes) -> bytes:
    """Say something, and then a byte now and then, until the other side ends; what it answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            writer.write(first)
            reading = asyncio.create_task(read_to_end(reader))
            while not reading.done():
                with contextlib.suppress(ConnectionError):
                    writer.write(b"x")
                    await writer.drain()
                await asyncio.wait([reading], timeout=SECONDS / 6)
            return await reading
    finally:
        writer.close()


async def test_a_head_that_never_ends_loses_its_connection(port: int) -> None:
    assert await trickle(port, b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ") == b""


async def test_a_body_that_nobody_reads_and_that_never_ends_loses_its_connection_after_the_answer(port: int) -> None:
    answer = await trickle(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    assert answer.startswith(OK)
    assert answer.count(OK) == 1


async def test_a_kept_connection_outlives_these_bounds_between_requests(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        for request in (
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        ):
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(OK)
        await asyncio.sleep(SECONDS * 1.5)
    writer.close()
