"""A load of checks on a verifier, which asks about a few tokens by turns and notes when each answer came.

It has a thread and connections of its own. It asks at a rate, or as fast as it is answered if the machine is too slow.
"""

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import NamedTuple, Self

from tenure.domain.tokens import Token

_CONNECTIONS = 8
_OK = b"200"


class Check(NamedTuple):
    """A question and its answer. The times are those of the machine's clock."""

    asked: float
    answered: float
    code: str
    """`Valid`, or the code of the rejection."""


class Checks:
    """Asks about the tokens that it was given, from the moment at which it got them."""

    def __init__(self, port: int, *, rate: float) -> None:
        self._port, self._rate = port, rate
        self._requests: list[tuple[str, bytes]] = []
        self._numbers = count()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="checks", daemon=True)
        self._errors: list[BaseException] = []
        self.answers: dict[str, list[Check]] = defaultdict(list)
        """By the public id of the token, in the order in which they came."""

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if error is None and self._errors:
            raise self._errors[0]

    def ask_about(self, *tokens: Token) -> None:
        """Ask about these tokens, and no others."""
        self._requests = [(token.key_id, _request(token)) for token in tokens]

    @property
    def per_second(self) -> float:
        """How many answers came in a second."""
        return sum(map(len, list(self.answers.values()))) / (time.monotonic() - self._began)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_CONNECTIONS):
                    group.create_task(self._ask())
        except* (OSError, asyncio.IncompleteReadError) as errors:
            self._errors.extend(errors.exceptions)

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        due = time.monotonic()
        while not self._stop.is_set():
            due = max(due + _CONNECTIONS / self._rate, time.monotonic() - 1)  # What it can't carry isn't made up for.
            await asyncio.sleep(max(due - time.monotonic(), 0))
            requests = self._requests
            if not requests:
                continue
            key_id, request = requests[next(self._numbers) % len(requests)]
            asked = time.time()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            code = "Valid" if head.split(b" ", 2)[1] == _OK else str(json.loads(body).get("code"))
            self.answers[key_id].append(Check(asked, time.time(), code))
        writer.close()


def first(checks: list[Check], is_it: Callable[[Check], bool]) -> Check | None:
    """Return the first check of which something is true, or None if there is none."""
    return next((check for check in list(checks) if is_it(check)), None)


def _request(token: Token) -> bytes:
    line = "GET /v1/authorize?capability=costs HTTP/1.1"
    return f"{line}\r\nHost: verifier\r\nAuthorization: Bearer {token.reveal()}\r\n\r\n".encode()


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
