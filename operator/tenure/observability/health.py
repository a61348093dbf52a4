"""Whether a process lives and works, and what it measures, over HTTP, for whoever watches over it."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from aiohttp import web

from tenure.errors import StartRefusedError
from tenure.observability.catalogue import READY
from tenure.observability.metrics import Component, Reading
from tenure.observability.prometheus import CONTENT_TYPE, Measurements

Question = Callable[[], str]
"""Asks why something isn't so, for people; empty: it is."""


def _fine() -> str:
    return ""


@dataclass(frozen=True)
class Part:
    """A component as those see it who watch over it."""

    component: Component
    why_not_ready: Question
    why_not_alive: Question = _fine
    """Why a restart would help."""


@dataclass
class Health:
    """The answers for a process of one component or more."""

    measurements: Measurements
    parts: list[Part] = field(default_factory=list)
    starting: bool = True
    """Whether parts may still be missing."""
    obstacle: str = ""
    """What the start waits for, for people."""
    leader: Callable[[], str] = _fine
    """Who leads, for a second line; empty: nobody is elected."""

    def __post_init__(self) -> None:
        self.measurements.read_from(self._read)

    def why_not_ready(self) -> str:
        """Why the process can't be relied on, for people; empty: it can."""
        if self.starting:
            return f"starting: {self.obstacle}" if self.obstacle else "starting"
        return "; ".join(filter(None, (part.why_not_ready() for part in self.parts)))

    def why_not_alive(self) -> str:
        """Why the process should be started again, for people; empty: it should not."""
        return "; ".join(filter(None, (part.why_not_alive() for part in self.parts)))

    async def _read(self) -> list[Reading]:
        if self.starting:
            return [Reading(READY, False, (component,)) for component in self.measurements.components]  # noqa: FBT003
        return [Reading(READY, not part.why_not_ready(), (part.component,)) for part in self.parts]


@contextlib.asynccontextmanager
async def serving(port: int, health: Health) -> AsyncIterator[None]:
    """Serve `/livez`, `/readyz` and `/metrics` on a port while the block runs; port 0: nothing is served.

    `/healthz` is an older name of `/livez`.

    Raises:
        StartRefusedError: the port can't be listened on.
    """
    if not port:
        yield
        return

    def answer(flaw: str) -> web.Response:
        lines = filter(None, (flaw or "ok", health.leader()))
        return web.Response(text="".join(f"{line}\n" for line in lines), status=503 if flaw else 200)

    async def live(_: web.Request) -> web.Response:
        return answer(health.why_not_alive())

    async def ready(_: web.Request) -> web.Response:
        return answer(health.why_not_ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await health.measurements.text(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/healthz", live)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, port=port).start()
        except OSError as error:
            raise StartRefusedError(f"--health-port {port}: {error.strerror}") from error
        yield
    finally:
        await runner.cleanup()
