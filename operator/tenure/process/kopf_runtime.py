"""Kopf in a process of ours: started, stopped and ended on our terms."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import kopf

from tenure.errors import WatchEndedError
from tenure.kube.connection import Connection
from tenure.process.kopf_storage import NoDiffBase, NoProgress
from tenure.process.signals import take_signals

_KOPF_ENDS_SECONDS = 1.0
_IDENTITY: Any = "tenure"


async def run_kopf(
    registry: kopf.OperatorRegistry,
    connection: Connection,
    namespaces: Sequence[str],
    stop: asyncio.Event,
    *,
    begin_stopping: Callable[[], None] = lambda: None,
) -> None:
    """Run Kopf until `stop`; no new work begins from then on, while Kopf ends its watches.

    Raises:
        WatchEndedError: the API server answered a watch in a way that Kopf doesn't go on from.
    """

    def stop_at_once() -> None:
        begin_stopping()
        stop.set()

    async def end_waiting(**_: Any) -> None:
        # Kopf may end by itself, and would wait five seconds for its own look-out for `stop`.
        stop_at_once()

    kopf.on.cleanup(registry=registry)(end_waiting)
    kopf.on.login(registry=registry)(_login(connection))
    ours = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=_settings(),
        standalone=True,
        identity=_IDENTITY,  # Kopf would ask for the user's name, and in a container the user has none.
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
    )
    take_signals(stop_at_once)  # Back from Kopf, which has just installed handlers of its own.
    await _until_ended(tasks, ours)


async def _until_ended(tasks: Collection[asyncio.Task[Any]], ours: Collection[asyncio.Task[Any]]) -> None:
    ending = asyncio.create_task(kopf.run_tasks(tasks, ignored=ours), name="Kopf")
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    errors = [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
    # Kopf's watches may wait for ever for credentials that nobody brings any more; they hold nothing of ours.
    await asyncio.wait([ending], timeout=_KOPF_ENDS_SECONDS)
    if errors:
        raise WatchEndedError(f"Stopping, because a watch ended permanently: {errors[0]!r}") from errors[0]


def _login(connection: Connection) -> Callable[..., Any]:
    async def login(**_: Any) -> kopf.AiohttpSession:
        session = connection.session(connections=0)
        session.headers.update(await connection.headers())
        return kopf.AiohttpSession(aiohttp_session=session, server=connection.server)

    return login


def _settings() -> kopf.OperatorSettings:
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
