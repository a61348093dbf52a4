"""The API server behind a certificate that the test renews, as it is after its authority was rotated.

Requests are passed on with the credentials of the client, so the API server itself judges them.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import trustme
from aiohttp import web

from support.faults.exchange import Request
from support.faults.proxy import Proxy
from tenure_dev.controlplane import ControlPlane


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    token: str
    is_watch: bool
    is_new: bool
    """Whether its connection began after the latest renewal."""


class Front(Proxy):
    """A running front; a context manager."""

    def __init__(self, plane: ControlPlane, authority: trustme.CA) -> None:
        super().__init__(plane)
        self._tls = ssl.create_default_context(cafile=str(plane.certificate_authority))
        self._listens_with = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._listens_with.sni_callback = self._switch
        self._seen: list[Seen] = []
        self.renew(authority)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def seen(self) -> Sequence[Seen]:
        """The requests since the latest renewal."""
        return list(self._seen)

    def renew(self, authority: trustme.CA) -> None:
        """Serve another certificate to new connections. Old ones end with their next answer, and watches at once."""
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(served)
        self._served = served
        self._seen.clear()
        if self._thread.is_alive():
            self.cut_watches()

    def _switch(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._served

    def _headers(self, request: Request) -> dict[str, str]:
        return {**super()._headers(request), "Authorization": request.headers.get("Authorization", "")}

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        assert incoming.transport is not None
        is_new = incoming.transport.get_extra_info("ssl_object").context is self._served
        token = incoming.headers.get("Authorization", "").partition(" ")[2]
        self._seen.append(Seen(token, incoming.query.get("watch") in {"1", "true"}, is_new))
        answer = await super()._handle(incoming)
        if not is_new:
            answer.force_close()
        return answer
