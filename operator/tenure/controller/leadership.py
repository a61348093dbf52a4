"""The election around the controller. Only one of several replicas reconciles, and one that loses the Lease exits."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from tenure.controller.controller import Controller
from tenure.errors import LeadershipLostError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection
from tenure.kube.election import Election, Timing, new_identity
from tenure.kube.leases import try_leases
from tenure.kube.names import ELECTION_LEASE
from tenure.kube.preflight import check_election
from tenure.observability.metrics import Meter
from tenure.process.signals import done_before
from tenure.settings import RunSettings

log = logging.getLogger("tenure.election")

_GRACE_SECONDS = 0.5
"""Seconds that reconciliations under way have to finish when the leader is told to stop. Longer ones are cancelled, as
in a crash, so that another replica can start within two seconds. It needs one of these to look at the Lease."""


class Leadership:
    """This replica's part in the election, if there is one."""

    def __init__(self, cluster: Cluster, settings: RunSettings, meter: Meter) -> None:
        self._cluster = cluster
        self._meter = meter
        self._settings = settings
        self._election: Election | None = None

    async def check(self) -> None:
        """Check at the start that this replica can take part in the election.

        Raises:
            StartRefusedError: a right or Tenure's own namespace is missing.
        """
        if self._settings.leader_election:
            await check_election(self._cluster, self._settings.system_namespace)
            await try_leases(self._cluster, self._settings.system_namespace)

    def describe(self) -> str:
        """The leader, for people. Empty if there is no election."""
        return "" if self._election is None else self._election.describe()

    def why_not_ready(self) -> str:
        """The reason why this replica can't lead or take over, for people. Empty if it can."""
        return "" if self._election is None else self._election.why_not_ready()

    @contextlib.asynccontextmanager
    async def running(self, connection: Connection, controller: Controller, stop: asyncio.Event) -> AsyncIterator[None]:
        """Let the controller reconcile while this replica leads. Once it loses the Lease, `stop` is set.

        Raises:
            LeadershipLostError: at the end of the block, if another replica reconciles or may do so soon.
        """
        if not self._settings.leader_election:
            yield
            return
        # The election has its own connection, so that the controller's slow requests can't cost it the Lease.
        async with Cluster(connection, self._meter, connections=1) as cluster:
            timing = Timing(self._settings.lease_duration)
            namespace = self._settings.system_namespace
            self._election = Election(cluster, namespace, ELECTION_LEASE, new_identity(), timing)
            task = asyncio.create_task(_take_part(self._election, controller, stop), name="election")
            try:
                yield
            finally:
                stop.set()
                await task


async def _take_part(election: Election, controller: Controller, stop: asyncio.Event) -> None:
    try:
        if await done_before(stop, election.acquire()):
            controller.lead(election.holds)
            await done_before(stop, election.keep())
            await controller.finish(_GRACE_SECONDS)
            # Another replica starts within a second after the release.
            controller.abandon()
        await election.release()
    except LeadershipLostError:
        raise
    except Exception as error:  # A replica that can't tell whether it leads must not continue.
        log.exception("the election failed")
        raise LeadershipLostError(f"the election failed, so the process ends: {error!r}") from error
    finally:
        # However the election ended, this replica starts no more reconciliations.
        controller.abandon()
        stop.set()
