"""The operator: Kopf's watches and the controller in one process, and the webhooks too if they are enabled."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import kopf

from tenure.controller.controller import Controller
from tenure.controller.informer import Informer
from tenure.controller.leadership import Leadership
from tenure.controller.usage.verifiers import Verifiers
from tenure.controller.wiring import wire
from tenure.domain.resources import KINDS, Resource
from tenure.domain.resources.base import GROUP, VERSION
from tenure.errors import MalformedObjectError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect
from tenure.kube.gated import gated
from tenure.kube.preflight import check_cluster
from tenure.observability.health import Health, Part, serving
from tenure.observability.metrics import Component
from tenure.observability.prometheus import Measurements
from tenure.process.kopf_lists import Take
from tenure.process.kopf_runtime import run_kopf
from tenure.process.signals import READY, run_to_end, take_signals
from tenure.process.startup import prepared_before
from tenure.settings import RunSettings

if TYPE_CHECKING:
    from tenure.admission.process import Webhook

log = logging.getLogger("tenure")


async def run_operator(settings: RunSettings) -> None:
    """Run until SIGTERM or SIGINT, then finish the reconciliations under way.

    Raises:
        StartRefusedError: the cluster can't be reached, or lacks a CRD or a right.
        WatchEndedError: a watch ended permanently. Start the process again.
        LeadershipLostError: another replica reconciles, or may do so soon. Start the process again.
        TaskFailedError: a task in the background failed by a bug.
    """
    stop = asyncio.Event()
    take_signals(stop.set)
    measurements = Measurements(Component.CONTROLLER)
    health = Health(measurements)
    connection = await connect()
    async with (
        gated(connection, measurements, settings.namespaces) as cluster,
        # The webhooks have connections of their own, so that reviews don't wait behind the controller's work.
        Cluster(connection, measurements, gate=cluster.gate) as reviews,
        serving(settings.health_port, health),
    ):
        leadership = Leadership(cluster, settings, measurements)
        controller = _controller(cluster, settings, leadership, health)
        prepared = await prepared_before(
            stop,
            health,
            lambda: _prepare(
                cluster, settings.namespaces, leadership, controller, lambda: _webhook(reviews, settings, measurements)
            ),
            patient=settings.health_port != 0,
        )
        if prepared is not None:
            registry, webhook = prepared
            async with (
                controller.running(stop),
                _admission(webhook, health, stop),
                leadership.running(connection, controller, stop),
            ):
                health.starting = False
                await _watch(cluster, registry, settings, controller, stop)
    log.info("stopped")


async def _watch(
    cluster: Cluster,
    registry: kopf.OperatorRegistry,
    settings: RunSettings,
    controller: Controller,
    stop: asyncio.Event,
) -> None:
    """Have Kopf watch the three kinds until `stop` is set."""
    log.info("%s: watching %s", READY, ", ".join(settings.namespaces) or "all namespaces")
    await run_kopf(
        registry,
        cluster,
        settings.namespaces,
        stop,
        take=_taker(controller.informer),
        take_state=controller.informer.take_state,
        begin_stopping=controller.begin_stopping,
    )


def _controller(cluster: Cluster, settings: RunSettings, leadership: Leadership, health: Health) -> Controller:
    """Create the controller, and register it for metrics and health checks."""
    parts = wire(
        cluster,
        installation=settings.installation,
        namespaces=settings.namespaces,
        system_namespace=settings.system_namespace,
        reads_per_second=settings.sweep_reads_per_second,
        standing_by=settings.leader_election,
        verifiers=Verifiers.of(settings),
        usage_seconds=settings.usage_interval,
        meter=health.measurements,
    )
    controller = Controller(parts, resync_seconds=settings.resync)
    health.measurements.read_from(controller.measure)

    def why_not_ready() -> str:
        return "; ".join(filter(None, (controller.why_not_ready(), leadership.why_not_ready())))

    health.parts.append(Part(Component.CONTROLLER, why_not_ready, controller.why_not_alive))
    health.leader = leadership.describe
    return controller


async def _prepare(
    cluster: Cluster,
    namespaces: Sequence[str],
    leadership: Leadership,
    controller: Controller,
    prepare_webhook: Callable[[], Awaitable["Webhook | None"]],
) -> tuple[kopf.OperatorRegistry, "Webhook | None"]:
    """Check rights, prepare the webhooks, list everything once, and return the handlers for Kopf and the webhooks.

    All of this comes before the first reconciliation. If thousands of keys wait to be issued, the API server is then so
    busy that a start that needs its answers would fail.
    """
    await check_cluster(cluster, namespaces)
    await leadership.check()
    webhook = await prepare_webhook()
    await controller.look_around()
    return _registry(controller.informer), webhook


@contextlib.asynccontextmanager
async def _admission(webhook: "Webhook | None", health: Health, stop: asyncio.Event) -> AsyncIterator[None]:
    """Serve the webhooks while the block runs, if they are enabled and installed."""
    if webhook is None:
        yield
        return
    health.measurements.include(Component.WEBHOOK)
    webhook.watched_by(health)
    async with webhook.running(stop):
        yield


async def _webhook(cluster: Cluster, settings: RunSettings, measurements: Measurements) -> "Webhook | None":
    """Prepare the webhooks, or return None unless they are enabled and installed."""
    if not settings.webhooks:
        return None
    from tenure.admission.process import Webhook, find_registration  # noqa: PLC0415 - the half that `webhook` runs

    if await find_registration(cluster) is None:
        return None
    return await Webhook.prepare(cluster, settings, measurements)


def _registry(informer: Informer) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    for resource in KINDS:
        kopf.on.event(GROUP, VERSION, resource.plural, registry=registry, id=resource.plural)(
            _observer(informer, resource)
        )
    return registry


def _observer(informer: Informer, resource: type[Resource]) -> Callable[..., Any]:
    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        _observe(informer, resource, event["type"], event["object"])

    return observe


def _taker(informer: Informer) -> Take:
    """What takes an object of a list, which Kopf makes before it watches."""
    kinds = {f"{resource.kind}List": resource for resource in KINDS}

    def take(kind: str, body: Mapping[str, Any]) -> None:
        _observe(informer, kinds[kind], None, body)

    return take


def _observe(informer: Informer, resource: type[Resource], event: str | None, body: Mapping[str, Any]) -> None:
    try:
        informer.observe(resource, event, body)
    except MalformedObjectError as error:
        log.warning("Ignoring an object that doesn't fit the schema: %s", error)


def run(settings: RunSettings) -> None:
    """Run the operator in an event loop of its own."""
    run_to_end(lambda: run_operator(settings))
