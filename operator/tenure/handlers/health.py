"""Whether the operator lives and works, over HTTP, for whoever restarts it."""

import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web


@contextlib.asynccontextmanager
async def health(port: int, why_not_ready: Callable[[], str], leader: Callable[[], str]) -> AsyncIterator[None]:
    """Serve `/livez` and `/readyz` on a port while the block runs; port 0: nothing is served.

    `leader` says who leads, for a second line; empty: nobody is elected.
    """
    if not port:
        yield
        return

    def answer(verdict: str, status: int) -> web.Response:
        return web.Response(text="".join(f"{line}\n" for line in (verdict, leader()) if line), status=status)

    async def live(_: web.Request) -> web.Response:
        return answer("ok", 200)

    async def ready(_: web.Request) -> web.Response:
        reason = why_not_ready()
        return answer(reason or "ok", 503 if reason else 200)

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
