"""The verifier as several processes on one port: how the parent speaks for all, and how each one answers the parent.

Each has an index, watches and a proof of freshness of its own, so none depends on another one to answer.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from tenure.errors import TenureError
from tenure.observability.health import Health
from tenure.observability.prometheus import Measurements
from tenure.observability.summed import add_up
from tenure.process.channel import Channel, ChannelError
from tenure.process.family import Child
from tenure.verifier.usage import UsageRecord, unite
from tenure.verifier.verifier import StaleError

log = logging.getLogger("tenure")

_HEALTH_SECONDS = 0.9
"""Time limit of a question about health. The kubelet waits for a second."""
_READ_SECONDS = 8.0
"""Time limit of a question for metrics or the record of use. The controller waits for ten seconds."""
_FAILURE_SECONDS = 2.0

_READINESS, _LIVENESS, _METRICS, _RECORD = "readiness", "liveness", "metrics", "record"
_RECORDS, _FAILURE = "records", "failure"


class Sibling:
    """One of several processes, in its own view."""

    def __init__(self, end: socket.socket, listening: socket.socket) -> None:
        self.listening = listening
        """The socket that it shall serve. It doesn't listen yet."""
        self.stop = asyncio.Event()
        """Set once the parent has ended."""
        self.health: Health | None = None
        self.record: UsageRecord | None = None
        self._channel = Channel(end, self._answer)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Answer the parent while the block runs. The parent is told why the block failed."""
        async with self._channel.running() as parent:
            parent.add_done_callback(lambda _: self.stop.set())
            try:
                yield
            except TenureError as error:
                # Only the parent says so, because all processes may fail for the same reason.
                with contextlib.suppress(ChannelError):
                    await self._channel.ask(_FAILURE, within=_FAILURE_SECONDS, text=str(error))
                raise

    async def read_usage(self, namespace: str, since: int) -> Mapping[str, object]:
        """Return what the records of all processes say.

        Raises:
            StaleError: one of them doesn't answer, so a use might be missing.
        """
        try:
            records = await self._channel.ask(_RECORDS, within=_READ_SECONDS, namespace=namespace, since=since)
        except ChannelError as error:
            log.warning("Can't read the record of use of all processes: %s", error)
            raise StaleError("the verifier can't read the record of all its processes now") from error
        return unite(records)

    async def _answer(self, question: str, arguments: Mapping[str, Any]) -> object:
        health, record = self.health, self.record
        match question:
            case "readiness":
                return "starting" if health is None else health.why_not_ready()
            case "liveness":
                return "" if health is None else health.why_not_alive()
            case "metrics" if health is not None:
                return await health.metrics()
            case "record" if record is not None:
                return record.read(arguments["namespace"], arguments["since"])
        raise ChannelError("it is starting")


class Siblings:
    """All processes, in the view of the parent: the pages of the health port, and the record of use of all."""

    def __init__(self, children: Sequence[Child], measurements: Measurements) -> None:
        """Speak for these processes. The parent's own measurements count too."""
        self.failure = ""
        """Why a process failed, in its own words. Empty if none did."""
        self._measurements = measurements
        self._channels = [Channel(child.end, self._answer) for child in children]

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Talk with all processes while the block runs."""
        async with contextlib.AsyncExitStack() as stack:
            for channel in self._channels:
                await stack.enter_async_context(channel.running())
            yield

    async def readiness(self) -> str:
        """Return which processes aren't ready and why. Empty if all are ready."""
        return await self._flaws(_READINESS)

    async def liveness(self) -> str:
        """Return which processes should be restarted and why. Empty if all are alive."""
        return await self._flaws(_LIVENESS)

    async def metrics(self) -> str:
        """Return the metrics of all processes, added up."""
        texts = await self._ask_all(_METRICS, within=_READ_SECONDS)
        return add_up([(await self._measurements.text()).decode(), *texts])

    def leader(self) -> str:
        """There is no election."""
        return ""

    async def _flaws(self, question: str) -> str:
        async def ask(number: int, channel: Channel) -> str:
            try:
                flaw = await channel.ask(question, within=_HEALTH_SECONDS)
            except ChannelError as error:
                flaw = error
            return f"process {number}: {flaw}" if flaw else ""

        flaws = await asyncio.gather(*(ask(number, channel) for number, channel in enumerate(self._channels, 1)))
        return "; ".join(filter(None, flaws))

    async def _ask_all(self, question: str, *, within: float, **arguments: Any) -> list[Any]:
        return await asyncio.gather(*(one.ask(question, within=within, **arguments) for one in self._channels))

    async def _answer(self, question: str, arguments: Mapping[str, Any]) -> object:
        if question == _RECORDS:
            return await self._ask_all(_RECORD, within=_READ_SECONDS, **arguments)
        self.failure = self.failure or str(arguments["text"])
        return None
