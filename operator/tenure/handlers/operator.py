"""The operator: Kopf's watches and the controller in one process."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import kopf

from tenure.domain.resources import KINDS, Resource
from tenure.domain.resources.base import GROUP, VERSION
from tenure.errors import MalformedObjectError, WatchEndedError
from tenure.handlers.storage import NoDiffBase, NoProgress
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection, connect
from tenure.kube.preflight import check_cluster
from tenure.reconcile.context import Context
from tenure.reconcile.controller import Controller
from tenure.settings import Settings

log = logging.getLogger("tenure")

READY = "Tenure is ready"

_KOPF_ENDS_SECONDS = 1.0


async def run_operator(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then finish the work in hand.

    Raises:
        StartRefusedError: the cluster can't be reached, or lacks a CRD or a right.
        WatchEndedError: a watch ended for good; start again.
    """
    stop = asyncio.Event()
    _take_signals(stop.set)
    connection = await connect()
    async with Cluster(connection) as cluster:
        context = Context(cluster, installation=settings.installation)
        controller = Controller(context, namespaces=settings.namespaces, resync_seconds=settings.resync_seconds)
        if await _done_before(stop, check_cluster(cluster, settings.namespaces)) and await _done_before(
            stop, controller.look_around()
        ):
            async with controller.running():
                log.info("%s: watching %s", READY, ", ".join(settings.namespaces) or "all namespaces")
                await _run_kopf(controller, connection, settings.namespaces, stop)
    log.info("stopped")


async def _done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do some work, unless `stop` comes first."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        return False
    task.result()
    return True


async def _run_kopf(
    controller: Controller, connection: Connection, namespaces: Sequence[str], stop: asyncio.Event
) -> None:
    """Run Kopf until `stop`; no new work begins from then on, while Kopf ends its watches.

    Raises:
        WatchEndedError: the API server answered a watch in a way that Kopf doesn't go on from.
    """
    ours = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=_registry(controller, connection, stop),
        settings=_kopf_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
    )

    def stop_at_once() -> None:
        controller.begin_stopping()
        stop.set()

    _take_signals(stop_at_once)  # Back from Kopf, which has just installed handlers of its own.
    ending = asyncio.create_task(kopf.run_tasks(tasks, ignored=ours), name="Kopf")
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    errors = [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
    # Kopf's watches may wait for ever for credentials that nobody brings any more; they hold nothing of ours.
    await asyncio.wait([ending], timeout=_KOPF_ENDS_SECONDS)
    if errors:
        raise WatchEndedError(f"a watch ended for good, so the process does too: {errors[0]!r}") from errors[0]


def _take_signals(handle: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, handle)


def _registry(controller: Controller, connection: Connection, stop: asyncio.Event) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    async def end_waiting(**_: Any) -> None:
        # Kopf may end by itself, and would wait five seconds for its own look-out for `stop`.
        controller.begin_stopping()
        stop.set()

    kopf.on.cleanup(registry=registry)(end_waiting)
    kopf.on.login(registry=registry)(_login(connection))
    for resource in KINDS:
        kopf.on.event(GROUP, VERSION, resource.plural, registry=registry, id=resource.plural)(
            _observer(controller, resource)
        )
    return registry


def _login(connection: Connection) -> Callable[..., Any]:
    async def login(**_: Any) -> kopf.AiohttpSession:
        session = connection.session(connections=0)
        session.headers.update(await connection.headers())
        return kopf.AiohttpSession(aiohttp_session=session, server=connection.server)

    return login


def _observer(controller: Controller, resource: type[Resource]) -> Callable[..., Any]:
    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        try:
            controller.observe(resource, event["type"], event["object"])
        except MalformedObjectError as error:
            log.warning("left alone, since it doesn't fit the schema: %s", error)

    return observe


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    # Kopf would remove its finalizer from an object, and whoever may edit the object can put it there. The API server
    # stores no finalizer with two slashes.
    settings.persistence.finalizer = "tenure.dev/no/finalizer"
    settings.posting.enabled = False
    settings.queueing.idle_timeout = 0.1  # A worker is a task and a queue: with 10,000 objects at once, 100 MB.
    settings.queueing.exit_timeout = 0.5
    # Kopf would list and watch all CustomResourceDefinitions and namespaces to find what comes and goes; ours are
    # there when we start, and their watches go on when they are deleted and created again.
    settings.scanning.disabled = True
    return settings


def run(settings: Settings) -> None:
    """Run the operator in an event loop of its own."""
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    """Run the operator and end the process: Kopf may have left tasks that nothing can cancel."""
    try:
        await run_operator(settings)
    except WatchEndedError as error:
        sys.stderr.write(f"tenure: {error}\n")
        code = 1
    else:
        code = 0
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)
