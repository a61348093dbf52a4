"""Run the process of `tenure mail`: the objects, the election, and the letters of the leader."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from tenure.errors import LeadershipLostError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection, connect
from tenure.kube.election import Election, Timing, new_identity
from tenure.kube.gated import gated
from tenure.kube.leases import try_leases
from tenure.kube.names import MAIL_LEASE
from tenure.kube.preflight import check_definitions, check_mail
from tenure.mail.invitations import FIELD_MANAGER
from tenure.mail.letters.sending import Letters
from tenure.mail.page import page_served
from tenure.mail.store import Store
from tenure.observability.health import Health, Part, serving
from tenure.observability.mail_catalogue import MAIL_LEADER
from tenure.observability.metrics import Component, Reading
from tenure.observability.prometheus import Measurements
from tenure.process.signals import READY, done_before, run_to_end, take_signals
from tenure.process.startup import prepared_before
from tenure.process.tasks import background
from tenure.settings import MailSettings

log = logging.getLogger("tenure")

_LOOK_SECONDS = 0.05


async def run_mail(settings: MailSettings) -> None:
    """Send letters while this replica leads, until SIGTERM or SIGINT.

    Raises:
        StartRefusedError: the API server can't be reached, or a CRD or a right is missing.
        LeadershipLostError: another replica sends letters, or may do so soon. Start the process again.
    """
    stop = asyncio.Event()
    take_signals(stop.set)
    health = Health(Measurements(Component.MAIL))
    connection = await connect()
    letters = Letters(settings)
    async with (
        gated(connection, health.measurements, settings.namespaces, field_manager=FIELD_MANAGER) as cluster,
        serving(settings.health_port, health),
    ):

        async def prepare() -> Store:
            await check_definitions(cluster)
            await check_mail(cluster, settings.namespaces, settings.system_namespace)
            await try_leases(cluster, settings.system_namespace)
            return Store(cluster, settings.namespaces)

        store = await prepared_before(stop, health, prepare, patient=settings.health_port != 0)
        if store is not None:
            letters.prepare(cluster, store, health.measurements)
            if settings.dry_run:
                async with store.running():
                    await done_before(stop, letters.print_due())
            else:
                await _work(settings, cluster, health, letters, stop)
    log.info("Tenure has stopped")


async def _work(
    settings: MailSettings, cluster: Cluster, health: Health, letters: Letters, stop: asyncio.Event
) -> None:
    store = letters.store
    async with (
        store.running() as working,
        page_served(settings, cluster, letters, health.measurements, stop) as why_not_served,
        _leading(settings, cluster.connection, health, stop) as election,
    ):
        health.parts.append(Part(Component.MAIL, lambda: why_not_served() or election.why_not_ready()))
        health.measurements.read_from(lambda: letters.measure(election.holds))
        health.starting = False
        working.add_done_callback(lambda _: stop.set())
        tasks = (
            asyncio.create_task(_announce(health), name="announcement"),
            asyncio.create_task(letters.send(lambda: election.holds() and not stop.is_set()), name="letters"),
        )
        async with background(stop, *tasks):
            await stop.wait()
            await letters.finish()
        if working.done():
            working.result()


@contextlib.asynccontextmanager
async def _leading(
    settings: MailSettings, connection: Connection, health: Health, stop: asyncio.Event
) -> AsyncIterator[Election]:
    """Take part in the election while the block runs. If this replica loses the Lease, `stop` is set.

    Raises:
        LeadershipLostError: at the end of the block, if it lost the Lease.
    """
    # The election has its own connection, so that slow requests can't cost it the Lease.
    async with Cluster(connection, health.measurements, connections=1) as cluster:
        timing = Timing(settings.lease_duration)
        election = Election(cluster, settings.system_namespace, MAIL_LEASE, new_identity(), timing)
        health.leader = election.describe

        async def measure() -> list[Reading]:
            return [Reading(MAIL_LEADER, election.holds())]

        health.measurements.read_from(measure)
        task = asyncio.create_task(_take_part(election, stop), name="election")
        try:
            yield election
        finally:
            stop.set()
            await task


async def _take_part(election: Election, stop: asyncio.Event) -> None:
    try:
        if await done_before(stop, election.acquire()):
            await done_before(stop, election.keep())
        await election.release()
    except LeadershipLostError:
        raise
    except Exception as error:  # A replica that can't tell whether it leads must not continue.
        log.exception("the election failed")
        raise LeadershipLostError(f"the election failed, so the process ends: {error!r}") from error
    finally:
        stop.set()


async def _announce(health: Health) -> None:
    while health.why_not_ready():  # noqa: ASYNC110 - readiness is a matter of time, no event
        await asyncio.sleep(_LOOK_SECONDS)
    log.info("%s: mail", READY)


def run(settings: MailSettings) -> None:
    """Run `run_mail` in a new event loop."""
    run_to_end(lambda: run_mail(settings))
