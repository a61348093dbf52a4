"""Serves over HTTP whether a process is alive and ready, and its metrics."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from tenure.errors import TenureError
from tenure.listening import listen
from tenure.observability.loop_delay import loop_delay_measured
from tenure.observability.metrics import Component, Reading
from tenure.observability.process_catalogue import READY
from tenure.observability.prometheus import CONTENT_TYPE, Measurements

Question = Callable[[], str]
"""Returns what is wrong, for people. Empty if nothing is."""


def _fine() -> str:
    return ""


@dataclass(frozen=True)
class Part:
    """A component of a process, with its health checks."""

    component: Component
    why_not_ready: Question
    why_not_alive: Question = _fine
    """Returns why a restart would help, for people. Empty if it wouldn't."""


class Pages(Protocol):
    """The pages of the port for health."""

    async def readiness(self) -> str:
        """Return why the program isn't ready, for people. Empty if it is ready."""

    async def liveness(self) -> str:
        """Return why the program should be restarted, for people. Empty if there is no reason."""

    async def metrics(self) -> str:
        """Return all metrics in Prometheus' text format."""

    def leader(self) -> str:
        """Return the leader, for the second line of an answer. Empty if there is no election."""


@dataclass
class Health:
    """The health of a process, which has one component or more."""

    measurements: Measurements
    parts: list[Part] = field(default_factory=list)
    starting: bool = True
    """Whether the process is still starting, so that parts may be missing."""
    obstacle: str = ""
    """What the start waits for, for people."""
    leader: Callable[[], str] = _fine
    """Returns the leader, for the second line of an answer. Empty if there is no election."""

    def __post_init__(self) -> None:
        self.measurements.read_from(self._read)

    def why_not_ready(self) -> str:
        """The reason why the process isn't ready, for people. Empty if it is ready."""
        if self.starting:
            return f"starting: {self.obstacle}" if self.obstacle else "starting"
        return "; ".join(filter(None, (part.why_not_ready() for part in self.parts)))

    def why_not_alive(self) -> str:
        """The reason why the process should be restarted, for people. Empty if there is none."""
        return "; ".join(filter(None, (part.why_not_alive() for part in self.parts)))

    async def readiness(self) -> str:
        """The same as `why_not_ready`, for `/readyz`."""
        return self.why_not_ready()

    async def liveness(self) -> str:
        """The same as `why_not_alive`, for `/livez`."""
        return self.why_not_alive()

    async def metrics(self) -> str:
        """All metrics of the process, in Prometheus' text format."""
        return (await self.measurements.text()).decode()

    async def _read(self) -> list[Reading]:
        if self.starting:
            return [Reading(READY, False, (component,)) for component in self.measurements.components]  # noqa: FBT003
        return [Reading(READY, not part.why_not_ready(), (part.component,)) for part in self.parts]


@contextlib.asynccontextmanager
async def serving(port: int, pages: Pages) -> AsyncIterator[None]:
    """Serve `/livez`, `/readyz` and `/metrics` on a port while the block runs. Port 0 serves nothing.

    `/healthz` is an older name of `/livez`.

    Raises:
        StartRefusedError: the process can't listen on the port.
    """
    # A process without a port may be one of several, whose metrics another one serves.
    delay = loop_delay_measured(pages.measurements) if isinstance(pages, Health) else contextlib.nullcontext()
    if not port:
        with delay:
            yield
        return

    def answer(flaw: str) -> web.Response:
        lines = filter(None, (flaw or "ok", pages.leader()))
        return web.Response(text="".join(f"{line}\n" for line in lines), status=503 if flaw else 200)

    async def live(_: web.Request) -> web.Response:
        return answer(await pages.liveness())

    async def ready(_: web.Request) -> web.Response:
        return answer(await pages.readiness())

    async def metrics(_: web.Request) -> web.Response:
        try:
            text = await pages.metrics()
        except TenureError as error:
            return answer(str(error))
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/healthz", live)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.SockSite(runner, listen("", port, "--health-port")).start()
        with delay:
            yield
    finally:
        await runner.cleanup()
