"""Questions and answers between a process and the processes that it forked, over a pair of connected sockets.

Nobody else can reach such a pair. A message is JSON behind its length.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from tenure.errors import TenureError

log = logging.getLogger("tenure")

_LENGTH_BYTES = 8
_ENDED = "it has ended"

Answer = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Answers a question by its name and its arguments. Whatever it returns must be JSON."""


class ChannelError(TenureError):
    """The other process doesn't answer, or can't."""


class Channel:
    """One end of a pair of sockets. Both ends may ask at any time."""

    def __init__(self, end: socket.socket, answer: Answer) -> None:
        """Answer the other end's questions by `answer`."""
        self._end = end
        self._answer = answer
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._writer: asyncio.StreamWriter | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Exchange messages while the block runs. The block gets a task that is done once the other process ends."""
        reader, self._writer = await asyncio.open_connection(sock=self._end)
        reading = asyncio.create_task(self._read(reader), name="channel")
        try:
            yield reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
                self._take(json.loads(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            if self._writer is not None:
                self._writer.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ChannelError(_ENDED))

    async def ask(self, question: str, *, within: float, **arguments: Any) -> Any:
        """Return the other end's answer.

        Raises:
            ChannelError: there is none, or none in time.
        """
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within):
                self._send({"number": number, "question": question, "arguments": arguments})
                answer = await future
        except TimeoutError:
            raise ChannelError("no answer in time") from None
        finally:
            del self._waiting[number]
        if "error" in answer:
            raise ChannelError(answer["error"])
        return answer["answer"]

    def _take(self, message: dict[str, Any]) -> None:
        if "question" in message:
            task = asyncio.create_task(self._reply(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif (future := self._waiting.get(message["number"])) is not None and not future.done():
            future.set_result(message)

    async def _reply(self, message: dict[str, Any]) -> None:
        try:
            reply = {"answer": await self._answer(message["question"], message["arguments"])}
        except TenureError as error:
            reply = {"error": str(error)}
        except Exception as error:  # The other end must not wait for an answer that never comes.
            log.exception("Unexpected error in the answer to another process")
            reply = {"error": f"unexpected error: {type(error).__name__}"}
        with contextlib.suppress(ChannelError):
            self._send({"number": message["number"], **reply})

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is None or self._writer.is_closing():
            raise ChannelError(_ENDED)
        text = json.dumps(message).encode()
        self._writer.write(len(text).to_bytes(_LENGTH_BYTES) + text)
