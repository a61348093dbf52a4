"""The verifier's process."""

import asyncio
import logging

import uvicorn

from tenure.handlers.embedding import READY, done_before, take_signals
from tenure.handlers.verify_api import VerifyApi
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect
from tenure.kube.preflight import check_definitions, check_verifier
from tenure.settings import VerifierSettings
from tenure.verify.callers import Callers
from tenure.verify.verifier import Verifier

log = logging.getLogger("tenure")

_STOPS_WITHIN_SECONDS = 3
_LOOK_SECONDS = 0.1
_CONNECTIONS = 32


async def run_verifier(settings: VerifierSettings) -> None:
    """Verify tokens until SIGTERM or SIGINT.

    Raises:
        StartRefusedError: the cluster can't be reached, or lacks a CRD or a right.
    """
    stop = asyncio.Event()
    take_signals(stop.set)
    connection = await connect()
    async with Cluster(connection, connections=_CONNECTIONS) as cluster:
        if not await done_before(stop, check_definitions(cluster)) or not await done_before(
            stop, check_verifier(cluster)
        ):
            return
        verifier = Verifier(cluster, max_staleness=settings.max_staleness)
        server = uvicorn.Server(_configuration(settings, VerifyApi(verifier, Callers(cluster))))
        async with verifier.running():
            serving = asyncio.create_task(server._serve(), name="server")  # noqa: SLF001 - `serve` takes the signals
            announcing = asyncio.create_task(_announce(verifier, settings), name="announcement")
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            announcing.cancel()
            stopping.cancel()
            server.should_exit = True
            await serving
    log.info("stopped")


async def _announce(verifier: Verifier, settings: VerifierSettings) -> None:
    while verifier.why_not_ready():  # noqa: ASYNC110 - readiness is a matter of time, no event
        await asyncio.sleep(_LOOK_SECONDS)
    log.info("%s: tokens are verified on port %d", READY, settings.port)


def _configuration(settings: VerifierSettings, api: VerifyApi) -> uvicorn.Config:
    certificate, key = settings.certificate or (None, None)
    return uvicorn.Config(
        api,
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=None,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOPS_WITHIN_SECONDS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def run(settings: VerifierSettings) -> None:
    """Verify tokens in an event loop of its own."""
    asyncio.run(run_verifier(settings))
