"""The verifier's server with nothing behind it: every request is answered with 200."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from tenure.process.http_server import server_configuration

_HEADERS = [(b"content-length", b"0")]


async def answer(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer nothing."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b""})


async def serve(port: int) -> None:
    """Serve on a port of the loopback."""
    await uvicorn.Server(server_configuration(answer, host="127.0.0.1", port=port)).serve()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
