"""Run the process of `tenure verifier`: the index, the HTTP server, its certificate, and readiness."""

import asyncio
import logging

import uvicorn

from tenure.domain.resources import KINDS
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect
from tenure.kube.preflight import check_definitions, check_verifier
from tenure.listening import PortCheck, listen
from tenure.observability.catalogue import VERIFIER_CERTIFICATE_EXPIRY, VERIFIER_CERTIFICATE_RENEWAL
from tenure.observability.health import Health, Part, serving
from tenure.observability.metrics import Component
from tenure.observability.prometheus import Measurements
from tenure.process.given_certificate import given_certificate
from tenure.process.http_server import serve, server_configuration
from tenure.process.signals import READY, run_to_end, take_signals
from tenure.process.startup import prepared_before
from tenure.process.tasks import background
from tenure.settings import VerifierSettings
from tenure.verifier.callers import Callers
from tenure.verifier.http.app import VerifyApi
from tenure.verifier.usage import AUDIENCE, UsageRecord
from tenure.verifier.verifier import Verifier

log = logging.getLogger("tenure")

_CERTIFICATE = VERIFIER_CERTIFICATE_EXPIRY, VERIFIER_CERTIFICATE_RENEWAL
_LOOK_SECONDS = 0.02
_OTHER_CONNECTIONS = 29
"""Maximum number of connections to the API server, apart from one for each watch."""


async def run_verifier(settings: VerifierSettings) -> None:
    """Verify tokens until SIGTERM or SIGINT.

    Raises:
        StartRefusedError: the API server can't be reached, a CRD or a right is missing, or the certificate is unusable.
    """
    stop = asyncio.Event()
    take_signals(stop.set)
    measurements = Measurements(Component.VERIFIER)
    health = Health(measurements)
    connection = await connect()
    watches = len(KINDS) * max(1, len(settings.namespaces))
    async with (
        Cluster(connection, measurements, connections=_OTHER_CONNECTIONS + watches) as cluster,
        serving(settings.health_port, health),
    ):

        async def prepare() -> Verifier:
            await check_definitions(cluster)
            await check_verifier(cluster, settings.namespaces)
            return Verifier(cluster, max_staleness=settings.max_staleness, namespaces=settings.namespaces)

        verifier = await prepared_before(stop, health, prepare, patient=settings.health_port != 0)
        if verifier is None:
            return
        measurements.read_from(verifier.measure)
        callers = Callers(cluster, [settings.caller_audience] if settings.caller_audience else [])
        api = VerifyApi(verifier, callers, measurements)
        if settings.usage:
            api.usage = UsageRecord()
            api.usage_callers = Callers(cluster, [AUDIENCE], verb="get", subresource="usage")
        async with given_certificate(settings.certificate, _CERTIFICATE, measurements, stop) as context:
            configuration = server_configuration(
                api, host=settings.verifier_host, port=settings.verifier_port, context=context
            )
            server = uvicorn.Server(configuration)
            await _listen_and_serve(settings, health, verifier, server, stop)
    log.info("Tenure has stopped")


async def _listen_and_serve(
    settings: VerifierSettings, health: Health, verifier: Verifier, server: uvicorn.Server, stop: asyncio.Event
) -> None:
    options = "--verifier-host and --verifier-port"
    with listen(settings.verifier_host, settings.verifier_port, options) as listening:
        port = PortCheck(listening, tls=settings.certificate is not None)
        health.parts.append(Part(Component.VERIFIER, lambda: verifier.why_not_ready() or port.why_not()))
        async with verifier.running() as working:
            health.starting = False
            tasks = (
                asyncio.create_task(port.watch(), name="port"),
                asyncio.create_task(_announce(health, settings), name="announcement"),
            )
            async with background(stop, *tasks):
                await serve(server, listening, stop, [working])


async def _announce(health: Health, settings: VerifierSettings) -> None:
    while health.why_not_ready():  # noqa: ASYNC110 - readiness is a matter of time, no event
        await asyncio.sleep(_LOOK_SECONDS)
    log.info("%s: serving the verifier on port %d", READY, settings.verifier_port)


def run(settings: VerifierSettings) -> None:
    """Run `run_verifier` in a new event loop."""
    run_to_end(lambda: run_verifier(settings))
