"""A load of requests that the webhook is asked about, in bursts, so that the API server opens new connections to it."""

import asyncio
import contextlib
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tenure_dev.controlplane import ControlPlane

_MERGE_PATCH = "application/merge-patch+json"
_NONE = 599
"""Stands for no answer at all."""


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

    began: float = field(default_factory=time.monotonic)

    @property
    def failed(self) -> int:
        """How many requests didn't succeed."""
        return sum(count for code, count in self.codes.items() if code >= 400)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.codes.total() / (time.monotonic() - self.began)

    def note(self, code: int, text: str) -> None:
        """Count an answer."""
        self.codes[code] += 1
        if code >= 400 and len(self.errors) < 10:
            self.errors.append(f"{code} {text}")


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
    """Make `rate` requests a second while the block runs, all those of one burst at the same moment."""
    answers = Answers()
    async with administrator(plane) as session:
        task = asyncio.create_task(_keep_asking(session, make, answers, burst=int(rate * every), every=every))
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
    session: aiohttp.ClientSession, make: Callable[[int], Call], answers: Answers, *, burst: int, every: float
) -> None:
    number, due = 0, time.monotonic()
    running: set[asyncio.Task[None]] = set()
    try:
        while True:
            for _ in range(burst):
                task = asyncio.create_task(_ask(session, make(number), answers))
                running.add(task)
                task.add_done_callback(running.discard)
                number += 1
            due += every
            await asyncio.sleep(max(due - time.monotonic(), 0))
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
