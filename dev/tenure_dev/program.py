"""A program of the demo that uses a key: it shows its token to the verifier a hundred times a second."""

import threading
from http.client import HTTPConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tenure.domain.tokens import Token

_PAUSE = 0.01
"""Seconds between two requests."""

_OK = 200


class Program:
    """Uses one token all the time. It reads the Secret only if it is told to, as many programs do."""

    def __init__(self, url: str, token: Token) -> None:
        self._address = urlsplit(url).netloc
        self._token = token
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="program", daemon=True)
        self.requests = 0
        self.failed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def reload(self, token: Token) -> None:
        """Use another token from now on. A request under way is answered first."""
        with self._lock:
            self._token = token

    def _run(self) -> None:
        connection = HTTPConnection(self._address, timeout=10)
        while not self._stop.wait(_PAUSE):
            with self._lock:
                is_allowed = self._ask(connection)
            self.requests += 1
            self.failed += not is_allowed
        connection.close()

    def _ask(self, connection: HTTPConnection) -> bool:
        """Make a request, and return whether the token is valid."""
        try:
            headers = {"Authorization": f"Bearer {self._token.reveal()}"}
            connection.request("GET", "/v1/authorize?capability=clusters", headers=headers)
            answer = connection.getresponse()
            answer.read()
        except OSError:
            connection.close()
            return False
        return answer.status == _OK
