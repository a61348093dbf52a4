"""An HTTPS server that answers what it was asked: the headers, and the name and the certificate of the client."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trustme
from aiohttp import web


class EchoServer:
    """A listening server. It answers 401 to tokens and serial numbers of certificates in `rejected`."""

    def __init__(self, authority: trustme.CA, *names: str) -> None:
        self.rejected: set[str] = set()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.sni_callback = self._hear_name
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._name: str | None = None
        self.serve(authority, *names)

    def serve(self, authority: trustme.CA, *names: str) -> None:
        """Serve another certificate to new connections."""
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(served)
        authority.configure_trust(served)
        served.verify_mode = ssl.CERT_OPTIONAL
        self._served = served

    def _hear_name(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        connection.context, self._name = self._served, name

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen while the block runs, which gets the server's URL."""
        app = web.Application()
        app.router.add_get("/redirect", self._redirect)
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context).start()
        try:
            yield f"https://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _redirect(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("ssl_object").getpeercert() or {}
        client, token = certificate.get("serialNumber"), request.headers.get("Authorization")
        if self.rejected & {client, token}:
            return web.json_response({}, status=401)
        headers = [[name, value] for name, value in request.headers.items()]
        return web.json_response({"headers": headers, "name": self._name, "client": client})


def trusted(path: Path, *authorities: trustme.CA) -> Path:
    """Write the certificates of authorities into a file."""
    path.write_bytes(b"".join(authority.cert_pem.bytes() for authority in authorities))
    return path
