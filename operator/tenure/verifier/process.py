"""Run the process of `tenure verifier`: the index, the HTTP server, its certificate, and readiness."""

import asyncio
import logging
import socket
from collections.abc import Sequence

import uvicorn

from tenure.domain.resources import KINDS
from tenure.errors import StartRefusedError, TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect
from tenure.kube.gated import gated
from tenure.kube.preflight import check_definitions, check_verifier
from tenure.listening import PortCheck, bind_shared, listen
from tenure.observability.catalogue import VERIFIER_CERTIFICATE_EXPIRY, VERIFIER_CERTIFICATE_RENEWAL
from tenure.observability.health import Health, Pages, Part, serving
from tenure.observability.logs import log_fields
from tenure.observability.metrics import Component, Meter
from tenure.observability.prometheus import Measurements
from tenure.process.cores import suitable_processes
from tenure.process.family import Child, Family, fork_children
from tenure.process.given_certificate import given_certificate
from tenure.process.http_server import serve, server_configuration
from tenure.process.signals import READY, result_before, run_to_end, take_signals
from tenure.process.startup import prepared_before
from tenure.process.tasks import background
from tenure.settings import VerifierSettings
from tenure.verifier.callers import Callers
from tenure.verifier.http.app import VerifyApi
from tenure.verifier.siblings import Sibling, Siblings
from tenure.verifier.usage import AUDIENCE, UsageRecord
from tenure.verifier.verifier import Verifier

log = logging.getLogger("tenure")

_CERTIFICATE = VERIFIER_CERTIFICATE_EXPIRY, VERIFIER_CERTIFICATE_RENEWAL
_OPTIONS = "--verifier-host and --verifier-port"
_STOPPED = "Tenure has stopped"
_LOOK_SECONDS = 0.02
_OTHER_CONNECTIONS = 29
"""Maximum number of connections to the API server, apart from one for each watch."""


async def run_verifier(settings: VerifierSettings, sibling: Sibling | None = None) -> None:
    """Verify tokens until SIGTERM or SIGINT. `sibling` is this process if it is one of several.

    Raises:
        StartRefusedError: the API server can't be reached, a CRD or a right is missing, or the certificate is unusable.
    """
    stop = asyncio.Event() if sibling is None else sibling.stop
    take_signals(stop.set)
    measurements = Measurements(Component.VERIFIER)
    health = Health(measurements)
    if sibling is not None:
        sibling.health = health
    connection = await connect()
    watches = len(KINDS) * max(1, len(settings.namespaces))
    async with (
        gated(connection, measurements, settings.namespaces, connections=_OTHER_CONNECTIONS + watches) as cluster,
        serving(0 if sibling is not None else settings.health_port, health),
    ):

        async def prepare() -> Verifier:
            await check_definitions(cluster)
            await check_verifier(cluster, settings.namespaces)
            return Verifier(cluster, max_staleness=settings.max_staleness, namespaces=settings.namespaces)

        verifier = await prepared_before(stop, health, prepare, patient=settings.health_port != 0)
        if verifier is None:
            return
        measurements.read_from(verifier.measure)
        api = _api(settings, cluster, verifier, measurements, sibling)
        async with given_certificate(settings.certificate, _CERTIFICATE, measurements, stop) as context:
            configuration = server_configuration(
                api, host=settings.verifier_host, port=settings.verifier_port, context=context
            )
            server = uvicorn.Server(configuration)
            with _listening(settings, sibling) as listening:
                await _serve(settings, health, verifier, server, listening, stop=stop, announced=sibling is None)
    if sibling is None:
        log.info(_STOPPED)


def _api(
    settings: VerifierSettings, cluster: Cluster, verifier: Verifier, meter: Meter, sibling: Sibling | None
) -> VerifyApi:
    api = VerifyApi(verifier, Callers(cluster, [settings.caller_audience] if settings.caller_audience else []), meter)
    if settings.usage:
        api.usage = UsageRecord()
        api.usage_callers = Callers(cluster, [AUDIENCE], verb="get", subresource="usage")
        if sibling is not None:
            sibling.record, api.read_usage = api.usage, sibling.read_usage
    return api


def _listening(settings: VerifierSettings, sibling: Sibling | None) -> socket.socket:
    if sibling is not None:
        return sibling.listening
    return listen(settings.verifier_host, settings.verifier_port, _OPTIONS)


async def _serve(
    settings: VerifierSettings,
    health: Health,
    verifier: Verifier,
    server: uvicorn.Server,
    listening: socket.socket,
    *,
    stop: asyncio.Event,
    announced: bool,
) -> None:
    port = PortCheck(listening, tls=settings.certificate is not None)
    health.parts.append(Part(Component.VERIFIER, lambda: verifier.why_not_ready() or port.why_not()))
    async with verifier.running() as working:
        health.starting = False
        tasks = [asyncio.create_task(port.watch(), name="port")]
        if announced:
            tasks.append(asyncio.create_task(_announce(health, settings), name="announcement"))
        async with background(stop, *tasks):
            await serve(server, listening, stop, [working])


async def _announce(pages: Pages, settings: VerifierSettings) -> None:
    while await pages.readiness():  # noqa: ASYNC110 - readiness is a matter of time, no event
        await asyncio.sleep(_LOOK_SECONDS)
    log.info("%s: serving the verifier on port %d", READY, settings.verifier_port)


async def _watch_over(settings: VerifierSettings, children: Sequence[Child]) -> None:
    """Speak for all processes until SIGTERM or SIGINT, or until one of them ends. Then all of them end.

    Raises:
        StartRefusedError: a process couldn't start or failed.
        TaskFailedError: a process ended without saying why.
    """
    stop = asyncio.Event()
    take_signals(stop.set)
    family = Family(children)
    siblings = Siblings(children, Measurements(Component.VERIFIER))
    async with siblings.connected(), serving(settings.health_port, siblings):
        announcement = asyncio.create_task(_announce(siblings, settings), name="announcement")
        async with background(stop, announcement):
            await result_before(stop, family.ended())
        await family.stop()
    if siblings.failure:
        raise StartRefusedError(siblings.failure)
    if (failure := family.failure()) is not None:
        raise failure
    log.info(_STOPPED)


async def _be_sibling(settings: VerifierSettings, end: socket.socket, listening: socket.socket) -> int:
    """Run as one of several processes, and return the exit code."""
    sibling = Sibling(end, listening)
    try:
        async with sibling.connected():
            await run_verifier(settings, sibling)
    except TenureError:  # The parent knows it.
        return 1
    return 0


def run(settings: VerifierSettings) -> None:
    """Run `run_verifier` in a new event loop, or in one of each process if there are several."""
    count = settings.processes or suitable_processes()
    if count == 1:
        run_to_end(lambda: run_verifier(settings))
        return
    sockets = bind_shared(settings.verifier_host, settings.verifier_port, _OPTIONS, count)

    def run_child(number: int, end: socket.socket) -> int:
        mine = sockets[number - 1]
        for other in sockets:
            if other is not mine:
                other.close()
        with log_fields(process_number=number):
            return asyncio.run(_be_sibling(settings, end, mine))

    children = fork_children(count, run_child)
    for one in sockets:  # An open copy would keep the queue of a process that has ended.
        one.close()
    run_to_end(lambda: _watch_over(settings, children))
