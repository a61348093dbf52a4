"""A proxy of a company's network: it passes connections on by HTTP CONNECT or SOCKS5, and remembers for whom."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ForwardProxy:
    """A proxy for one scheme: `http`, `https`, `socks5` or `socks5h`."""

    def __init__(self, scheme: str, tls: ssl.SSLContext | None = None) -> None:
        self.scheme = scheme
        self.asked: list[str] = []
        """The hosts that clients asked for."""
        self.logins: list[str] = []
        self._tls = tls

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen while the block runs, which gets host and port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            host, port = await (self._socks(reader, writer) if "socks" in self.scheme else self._http(reader, writer))
            self.asked.append(host)
            far = await asyncio.open_connection(host, port)
            with contextlib.closing(far[1]):
                await asyncio.gather(_pass_on(reader, far[1]), _pass_on(far[0], writer))

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split()
        assert method == "CONNECT"
        for line in head.split("\r\n"):
            if line.lower().startswith("proxy-authorization: basic "):
                self.logins.append(base64.b64decode(line.split()[-1]).decode())
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        host, _, port = target.rpartition(":")
        return host, int(port)

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
        methods = await reader.readexactly((await reader.readexactly(2))[1])
        if 2 in methods:
            writer.write(b"\x05\x02")
            user = await reader.readexactly((await reader.readexactly(2))[1])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            self.logins.append(f"{user.decode()}:{password.decode()}")
            writer.write(b"\x01\x00")
        else:
            writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2))
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return host, port


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
