"""Serve the webhooks: the certificate, the listener, the self-test, and the process of `tenure webhook`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Self

from yarl import URL

from tenure.admission.callers import Callers, trust_clients
from tenure.admission.connectivity import Reach
from tenure.admission.dispatch import judge
from tenure.admission.reader import Context
from tenure.admission.registration import RegistrationCheck
from tenure.admission.selftest import find_leak
from tenure.admission.server import Listener
from tenure.certificates.keeper import GivenFiles, Keeper, keep, read_times
from tenure.certificates.own_authority import OwnAuthority
from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.admission.verdict import Judgement
from tenure.domain.durations import parse_duration
from tenure.domain.resources import KINDS
from tenure.errors import ForbiddenError, StartRefusedError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect
from tenure.kube.gated import gated
from tenure.kube.leases import try_leases
from tenure.kube.preflight import check_admission, check_definitions
from tenure.kube.webhooks import Registration, read_registration
from tenure.listening import PortCheck
from tenure.observability.catalogue import CERTIFICATE_EXPIRY, CERTIFICATE_RENEWAL
from tenure.observability.health import Health, Part, serving
from tenure.observability.metrics import Component, Meter, Reading
from tenure.observability.prometheus import Measurements
from tenure.process.signals import READY, run_to_end, take_signals
from tenure.process.startup import prepared_before
from tenure.process.tasks import background
from tenure.settings import WebhookSettings

log = logging.getLogger("tenure.admission")

ADMISSION_IS_OFF = (
    "The webhooks are off: ValidatingWebhookConfiguration tenure isn't installed, so the API server stores changes "
    "without a check. Apply manifests/webhooks.yaml"
)
_UNTESTED = "the self-test hasn't passed yet"
_SELF_TEST_SECONDS = 1.0
_RESOURCES = {resource.plural: resource for resource in KINDS}


async def find_registration(cluster: Cluster) -> Registration | None:
    """Read the webhook configuration, or log why the webhooks are off and return None."""
    try:
        registration = await read_registration(cluster)
    except ForbiddenError as error:
        log.warning("The webhooks are off: %s", error)
        return None
    if registration is None:
        log.warning(ADMISSION_IS_OFF)
    return registration


class Webhook:
    """Serves reviews: it runs the listener, keeps the certificate valid, and tests itself."""

    def __init__(
        self, context: Context, keeper: Keeper, settings: WebhookSettings, meter: Meter, callers: Callers
    ) -> None:
        self._context = context
        self._keeper = keeper
        self._paths = tuple(f"/{path}" for path in _RESOURCES)
        self._flaw = _UNTESTED
        self._port_check: PortCheck | None = None
        self._reach = Reach(context.cluster)
        self._registration = RegistrationCheck(context.cluster, settings.namespaces)
        self._due = asyncio.Event()
        self._due.set()
        self._callers = callers
        self.listener = Listener(
            (settings.webhook_host, settings.webhook_port),
            keeper.context,
            {path: resource.kind for path, resource in _RESOURCES.items()},
            self._judge,
            meter=meter,
            callers=self._callers,
            on_no_answer=self._reach.doubt,
        )

    @classmethod
    async def prepare(cls, cluster: Cluster, settings: WebhookSettings, meter: Meter) -> Self:
        """Check the rights and the webhook configuration, and load a certificate that the API server trusts.

        Raises:
            StartRefusedError: a right or the configuration is missing, the configuration names other paths, or there
                is no usable certificate.
        """
        await check_admission(
            cluster,
            settings.namespaces,
            settings.system_namespace,
            own_authority=settings.certificate is None,
        )
        registration = await read_registration(cluster)
        if registration is None:
            raise StartRefusedError(ADMISSION_IS_OFF)
        unknown = {path.strip("/") for path in registration.paths} ^ set(_RESOURCES)
        if unknown:
            raise StartRefusedError(
                "ValidatingWebhookConfiguration tenure doesn't match this version of Tenure (paths "
                f"{', '.join(sorted(unknown))}). Apply manifests/webhooks.yaml"
            )
        keeper = _keeper(cluster, settings, registration)
        callers = trust_clients(keeper.context, settings.client_ca_file)
        await try_leases(cluster, settings.system_namespace)
        await keeper.look()
        context = Context(
            cluster,
            installation=settings.installation,
            system_namespace=settings.system_namespace,
            request_seconds=settings.request_timeout,
        )
        return cls(context, keeper, settings, meter, callers)

    async def _judge(self, path: str, request: AdmissionRequest) -> Judgement:
        return await judge(self._context, _RESOURCES[path], request)

    def watched_by(self, health: Health) -> None:
        """Add the webhook to the readiness and the metrics of a process."""
        health.parts.append(Part(Component.WEBHOOK, self._why_not_ready))
        health.measurements.read_from(self._measure)

    def _why_not_ready(self) -> str:
        """Ask the self-test first, because it uses the port too."""
        return self._flaw or self._reach.why_not() or (self._port_check.why_not() if self._port_check else "")

    async def _measure(self) -> list[Reading]:
        times = read_times(self._keeper, CERTIFICATE_EXPIRY, CERTIFICATE_RENEWAL)
        return [*self._registration.measure(), *times]

    @contextlib.asynccontextmanager
    async def running(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Serve until `stop` is set. While the block runs, keep the certificate valid and the readiness up to date.

        Raises:
            TaskFailedError: at the end of the block, if one of the tasks failed, which also sets `stop`.
        """
        async with self.listener.serving(stop) as port_check:
            self._port_check = port_check
            tasks = (
                asyncio.create_task(port_check.watch(), name="port"),
                asyncio.create_task(keep(self._keeper, self._due.set), name="certificate"),
                asyncio.create_task(self._test_itself(port_check), name="self-test"),
                asyncio.create_task(self._reach.watch(), name="reach"),
                asyncio.create_task(self._registration.watch(), name="registration"),
            )
            async with background(stop, *tasks):
                yield

    @property
    def _own_url(self) -> URL:
        host, port = self.listener.address
        return URL.build(scheme="https", host=host, port=port)

    async def _test_itself(self, port_check: PortCheck) -> None:
        """Run the self-test at the start and after each new certificate, and repeat it until it passes."""
        while True:
            await self._due.wait()
            self._due.clear()
            while flaw := await find_leak(
                self._own_url, self._paths, self._context.installation, headers=self._callers.headers
            ):
                if flaw != self._flaw:
                    log.error("Not ready, because the self-test failed: %s", flaw)
                self._flaw = flaw
                await asyncio.sleep(_SELF_TEST_SECONDS)
            if self._flaw:
                await port_check.ask()
                log.info("%s: serving webhooks on port %d", READY, self.listener.address[1])
            self._flaw = ""


def _keeper(cluster: Cluster, settings: WebhookSettings, registration: Registration) -> Keeper:
    if settings.certificate is not None:
        return GivenFiles(*settings.certificate)
    life = parse_duration(settings.certificate_life)
    return OwnAuthority(cluster, settings.system_namespace, registration.hosts, life)


async def run_webhook(settings: WebhookSettings) -> None:
    """Serve reviews until SIGTERM or SIGINT. This process opens no watch.

    Raises:
        StartRefusedError: the API server can't be reached, or a CRD, the webhook configuration or a right is missing.
    """
    stop = asyncio.Event()
    take_signals(stop.set)
    measurements = Measurements(Component.WEBHOOK)
    health = Health(measurements)
    connection = await connect()
    async with (
        gated(connection, measurements, settings.namespaces) as cluster,
        serving(settings.health_port, health),
    ):

        async def prepare() -> Webhook:
            await check_definitions(cluster)
            return await Webhook.prepare(cluster, settings, measurements)

        webhook = await prepared_before(stop, health, prepare, patient=settings.health_port != 0)
        if webhook is None:
            return
        webhook.watched_by(health)
        health.starting = False
        async with webhook.running(stop):
            await stop.wait()
    log.info("stopped")


def run(settings: WebhookSettings) -> None:
    """Run `run_webhook` in a new event loop."""
    run_to_end(lambda: run_webhook(settings))
