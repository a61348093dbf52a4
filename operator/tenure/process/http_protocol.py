"""uvicorn's HTTP protocol with limits.

A request's head has a limit of size and time. A body that the application doesn't read has a limit of time.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 256 * 1024
"""Maximum size of an incomplete head. An application may accept less."""

HEAD_SECONDS = 30.0
"""Time limit for a head to arrive, and for the rest of a body after the answer was sent."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection if the head of a request is too large or too slow."""

    _in_head = True
    _head_bytes = 0
    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the head of the first request."""
        super().connection_made(transport)
        self._slow = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start to count the bytes of a head."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the timer, because the head is complete."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the timer, because the request is complete."""
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the timer for the rest of the body if the answer was sent before the body had arrived."""
        if self.cycle.more_body and self._slow is None:
            self._slow = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of an incomplete head, and reject the request if there are too many."""
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
