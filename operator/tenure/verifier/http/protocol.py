"""HTTP as uvicorn speaks it, with bounds.

Heads that never end are given neither memory nor time, and bodies that nobody reads no time.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 256 * 1024
"""What is read of a head that doesn't end; what the application takes is less."""

HEAD_SECONDS = 30.0
"""How long a head may take to arrive, and what is left of a body after the answer."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose request's head is too large or too slow."""

    _in_head = True
    _head_bytes = 0
    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._slow = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request has arrived whole."""
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer has been sent, maybe before the request's body was there."""
        if self.cycle.more_body and self._slow is None:
            self._slow = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that hasn't ended."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES:
            self.send_400_response("The head of the request is too large.")
        elif self._slow is None:
            self._slow = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
