"""A load of requests that the webhook is asked about, in bursts, so that the API server opens new connections to it.

A burst begins once the one before is answered, and is as large as the machine carries: what isn't answered within the
five seconds of a starved API server is no fault of whoever is asked.
"""

import asyncio
import contextlib
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from tenure_dev.controlplane import ControlPlane

_MERGE_PATCH = "application/merge-patch+json"
_NONE = 599
"""Stands for no answer at all."""

_LATE = ("context deadline exceeded", "Client.Timeout exceeded", "no answer in time", "Too many requests", "timed out")
"""What is said where an answer took too long, by the API server of the webhook and the other way round."""


@dataclass(frozen=True)
class Call:
    """A request of the load: a merge patch, unless it says otherwise."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "PATCH"


@dataclass
class Answers:
    """What the load was answered."""

    codes: Counter[int] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    """The first few answers that were no success."""

    faults: list[str] = field(default_factory=list)
    """The first few that came in time: a refused or broken connection, a certificate that isn't trusted, a denial."""

    late: int = 0
    """How many only came too late."""

    @property
    def failed(self) -> int:
        """How many requests didn't succeed."""
        return sum(count for code, count in self.codes.items() if code >= 400)

    def note(self, code: int, text: str) -> None:
        """Count an answer."""
        self.codes[code] += 1
        if code < 400:
            return
        if len(self.errors) < 10:
            self.errors.append(f"{code} {text}")
        if any(said in text for said in _LATE):
            self.late += 1
        elif len(self.faults) < 10:
            self.faults.append(f"{code} {text}")


@contextlib.asynccontextmanager
async def administrator(plane: ControlPlane) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a session of the control plane's administrator."""
    tls = ssl.create_default_context(cafile=str(plane.certificate_authority))
    tls.load_cert_chain(plane.admin.certificate, plane.admin.key)
    connector = aiohttp.TCPConnector(ssl=tls, limit=0)
    async with aiohttp.ClientSession(base_url=plane.server, connector=connector, trust_env=False) as session:
        yield session


@contextlib.asynccontextmanager
async def load(
    plane: ControlPlane, make: Callable[[int], Call], *, rate: int, every: float = 1.0
) -> AsyncIterator[Answers]:
    """Make up to `rate` requests a second while the block runs, all those of one burst at the same moment."""
    answers = Answers()
    async with administrator(plane) as session:
        task = asyncio.create_task(_keep_asking(session, make, answers, most=int(rate * every), every=every))
        try:
            yield answers
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.contextmanager
def load_beside(plane: ControlPlane, make: Callable[[int], Call], *, rate: int) -> Iterator[Answers]:
    """The same from a thread of its own, for a block that waits for processes."""
    began, done = threading.Event(), threading.Event()
    given: list[Answers] = []

    async def ask() -> None:
        async with load(plane, make, rate=rate) as answers:
            given.append(answers)
            began.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(ask(),), name="load", daemon=True)
    thread.start()
    began.wait()
    try:
        yield given[0]
    finally:
        done.set()
        thread.join()


async def _keep_asking(
    session: aiohttp.ClientSession, make: Callable[[int], Call], answers: Answers, *, most: int, every: float
) -> None:
    numbers, burst = count(), most
    running: list[asyncio.Task[None]] = []
    try:
        while True:
            began = time.monotonic()
            running = [asyncio.create_task(_ask(session, make(next(numbers)), answers)) for _ in range(burst)]
            await asyncio.wait(running)  # It leaves them alone if it is cancelled.
            taken = time.monotonic() - began
            burst = min(max(int(burst * every / taken), 1), 2 * burst, most)
            await asyncio.sleep(max(every - taken, 0))
    finally:
        # What is under way is answered; an answer that never came would be a failure that nobody counted.
        await asyncio.gather(*running)


async def _ask(session: aiohttp.ClientSession, call: Call, answers: Answers) -> None:
    headers = {"Content-Type": _MERGE_PATCH if call.method == "PATCH" else "application/json", **call.headers}
    try:
        async with session.request(call.method, call.path, json=call.body, headers=headers) as answer:
            answers.note(answer.status, await answer.text())
    except aiohttp.ClientError as error:
        answers.note(_NONE, repr(error))
