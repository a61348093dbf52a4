"""Runs Kopf in a process of Tenure, which keeps its own signal handlers and stops without Kopf's delays."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import aiohttp
import kopf

from tenure.errors import WatchEndedError
from tenure.kube.cluster import Cluster
from tenure.kube.objects import PAGE_SIZE
from tenure.process.kopf_lists import NoMemories, Take, answers_without_objects
from tenure.process.kopf_storage import NoDiffBase, NoProgress
from tenure.process.kopf_watches import TakeState
from tenure.process.signals import take_signals

_KOPF_ENDS_SECONDS = 1.0
_IDENTITY: Any = "tenure"


async def run_kopf(
    registry: kopf.OperatorRegistry,
    cluster: Cluster,
    namespaces: Sequence[str],
    stop: asyncio.Event,
    *,
    take: Take,
    take_state: TakeState,
    begin_stopping: Callable[[], None] = lambda: None,
) -> None:
    """Run Kopf until `stop` is set.

    The objects of lists go to `take`, and new states in watches to `take_state`. The handlers in `registry` get the
    other events.

    `begin_stopping` is called at the same time, so that no new work starts while Kopf stops its watches.

    Raises:
        WatchEndedError: the API server answered a watch in a way after which Kopf doesn't continue it.
    """

    def stop_at_once() -> None:
        begin_stopping()
        stop.set()

    async def end_waiting(**_: Any) -> None:
        # Kopf may stop by itself, and would then wait five seconds for its own task that waits for `stop`.
        stop_at_once()

    kopf.on.cleanup(registry=registry)(end_waiting)
    kopf.on.login(registry=registry)(_login(cluster, answers_without_objects(take, take_state)))
    ours = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=_settings(),
        memories=NoMemories(),
        standalone=True,
        identity=_IDENTITY,  # Kopf would ask for the user's name, and in a container the user has none.
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
    )
    take_signals(stop_at_once)  # Again, because Kopf has just installed its own handlers.
    await _until_ended(tasks, ours)


async def _until_ended(tasks: Collection[asyncio.Task[Any]], ours: Collection[asyncio.Task[Any]]) -> None:
    ending = asyncio.create_task(kopf.run_tasks(tasks, ignored=ours), name="Kopf")
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    errors = [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
    # Kopf's watches may wait forever for credentials that never come. They hold no resource of Tenure.
    await asyncio.wait([ending], timeout=_KOPF_ENDS_SECONDS)
    if errors:
        raise WatchEndedError(f"Stopping, because a watch ended permanently: {errors[0]!r}") from errors[0]


def _login(cluster: Cluster, answers: type[aiohttp.ClientResponse]) -> Callable[..., Any]:
    connection = cluster.connection
    # Kopf would log an error for each attempt, and end the process after the ninth one.
    middlewares = () if cluster.gate is None else (cluster.gate.patiently,)

    async def login(**_: Any) -> kopf.AiohttpSession:
        session = connection.session(connections=0, answers=answers, middlewares=middlewares)
        return kopf.AiohttpSession(aiohttp_session=session, server=connection.server)

    return login


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    # Kopf would remove its finalizer from an object, and everyone who may edit the object can add it. The API server
    # stores no finalizer with two slashes.
    settings.persistence.finalizer = "tenure.dev/no/finalizer"
    settings.posting.enabled = False
    settings.queueing.idle_timeout = 0.1  # A worker is a task and a queue. 10,000 of them at once take 100 MB.
    settings.queueing.exit_timeout = 0.5
    settings.watching.chunk_size = PAGE_SIZE // 2  # Smaller than Tenure's own pages, so that tests can tell the lists.
    # Kopf would list and watch all CustomResourceDefinitions and namespaces, to find new and deleted ones. Tenure's
    # definitions exist at the start, and their watches continue if they are deleted and created again.
    settings.scanning.disabled = True
    return settings
