"""Serves the console behind a login, as a process in the cluster."""

import asyncio
import logging

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenure.console.app import Console
from tenure.console.caller import Callers
from tenure.console.door import Address, door
from tenure.console.forms import Seals
from tenure.console.logins import Impersonation, PassThrough
from tenure.console.proposals import CONSOLE
from tenure.console.render import Renderer
from tenure.console.tokens import TokenVerifier
from tenure.console_settings import ConsoleMode
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect, connect_without_credentials
from tenure.kube.preflight import check_impersonation, check_reachable
from tenure.listening import PortCheck, listen
from tenure.observability.console_catalogue import (
    CONSOLE_ANSWERS,
    CONSOLE_CERTIFICATE_EXPIRY,
    CONSOLE_CERTIFICATE_RENEWAL,
)
from tenure.observability.health import Health, Part, serving
from tenure.observability.metrics import Component, Meter
from tenure.observability.prometheus import Measurements
from tenure.process.given_certificate import given_certificate
from tenure.process.http_server import serve, server_configuration
from tenure.process.signals import READY, run_to_end, take_signals
from tenure.process.startup import prepared_before
from tenure.process.tasks import background
from tenure.settings import ConsoleSettings

log = logging.getLogger("tenure")

_CERTIFICATE = CONSOLE_CERTIFICATE_EXPIRY, CONSOLE_CERTIFICATE_RENEWAL
_ANYONE = "this cluster"


async def run_console_server(settings: ConsoleSettings) -> None:
    """Serve the console until SIGTERM or SIGINT.

    Raises:
        StartRefusedError: the API server can't be reached, or the mode can't work in this cluster.
    """
    stop = asyncio.Event()
    take_signals(stop.set)
    health = Health(Measurements(Component.CONSOLE))
    impersonates = settings.mode is ConsoleMode.IMPERSONATION
    connection = (
        await connect()
        if impersonates
        else connect_without_credentials(settings.api_server, settings.api_server_ca_file)
    )
    seals = Seals.from_file(settings.form_key_file)
    async with (
        Cluster(connection, health.measurements, field_manager=CONSOLE) as cluster,
        serving(settings.health_port, health),
    ):

        async def prepare() -> Callers:
            if not impersonates:
                await check_reachable(cluster)
                return PassThrough(cluster, settings.namespaces)
            await check_impersonation(cluster, settings.namespaces, read_only=settings.read_only)
            return Impersonation(cluster, token_verifier(settings), settings.namespaces, tries=not settings.read_only)

        callers = await prepared_before(stop, health, prepare, patient=settings.health_port != 0)
        if callers is not None:
            renderer = Renderer(_ANYONE, settings.read_only, settings.edit_url, login_url=settings.login_url)
            application = door(Console(callers, renderer, seals).application(), Address.of_url(settings.console_url))
            await _serve(settings, counted(application, health.measurements), health, stop)
    log.info("Tenure has stopped")


def token_verifier(settings: ConsoleSettings) -> TokenVerifier:
    """Return what verifies ID tokens."""
    return TokenVerifier(
        settings.issuer_url,
        settings.client_id,
        settings.username_claim,
        settings.username_prefix,
        settings.issuer_ca_file,
    )


def counted(application: ASGIApp, meter: Meter) -> ASGIApp:
    """Return the application with its answers counted by their status."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                meter.count(CONSOLE_ANSWERS, str(message["status"]))
            await send(message)

        await application(scope, receive, send_counted)

    return answer


async def _serve(settings: ConsoleSettings, application: ASGIApp, health: Health, stop: asyncio.Event) -> None:
    async with given_certificate(settings.certificate, _CERTIFICATE, health.measurements, stop) as context:
        with listen(settings.console_host, settings.console_port, "--console-host and --console-port") as listening:
            port = PortCheck(listening, tls=context is not None)
            configuration = server_configuration(
                application, host=settings.console_host, port=settings.console_port, context=context
            )
            health.parts.append(Part(Component.CONSOLE, port.why_not))
            health.starting = False
            async with background(stop, asyncio.create_task(port.watch(), name="port")):
                log.info("%s: console at %s/, mode %s", READY, settings.console_url, settings.mode)
                await serve(uvicorn.Server(configuration), listening, stop)


def run(settings: ConsoleSettings) -> None:
    """Run `run_console_server` in a new event loop."""
    run_to_end(lambda: run_console_server(settings))
