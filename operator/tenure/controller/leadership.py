"""The election around the controller: only one of several replicas reconciles, and whoever loses the Lease ends."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator
from secrets import token_hex

from tenure.controller.controller import Controller
from tenure.errors import LeadershipLostError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection
from tenure.kube.election import Election, Timing
from tenure.kube.leases import try_leases
from tenure.kube.preflight import check_election
from tenure.observability.metrics import Meter
from tenure.process.signals import done_before
from tenure.settings import RunSettings

log = logging.getLogger("tenure.election")

_GRACE_SECONDS = 0.5
"""How long the work in hand has when the leader is told to stop. What takes longer is left as in a crash, so that
another replica may begin within two seconds, of which it needs one to look at the Lease."""


class Leadership:
    """This replica's part, if there is an election."""

    def __init__(self, cluster: Cluster, settings: RunSettings, meter: Meter) -> None:
        self._cluster = cluster
        self._meter = meter
        self._settings = settings
        self._election: Election | None = None

    async def check(self) -> None:
        """Refuse to start where the election can't be had.

        Raises:
            StartRefusedError: a right is missing, or Tenure's own namespace.
        """
        if self._settings.leader_election:
            await check_election(self._cluster, self._settings.system_namespace)
            await try_leases(self._cluster, self._settings.system_namespace)

    def describe(self) -> str:
        """Who leads, for people; empty: there is no election."""
        return "" if self._election is None else self._election.describe()

    def why_not_ready(self) -> str:
        """Why this replica can't be relied on to lead, or to take over, for people; empty: it can."""
        return "" if self._election is None else self._election.why_not_ready()

    @contextlib.asynccontextmanager
    async def running(self, connection: Connection, controller: Controller, stop: asyncio.Event) -> AsyncIterator[None]:
        """Have the controller work while this replica leads; `stop` is set, and the block left, once it lost.

        Raises:
            LeadershipLostError: on leaving: another replica reconciles, or may do so soon.
        """
        if not self._settings.leader_election:
            yield
            return
        # Connections of its own: no number of slow requests costs the Lease.
        async with Cluster(connection, self._meter, connections=1) as cluster:
            timing = Timing(self._settings.lease_duration)
            self._election = Election(cluster, self._settings.system_namespace, _identity(), timing)
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
            # Another one begins within a second of the release.
            controller.abandon()
        await election.release()
    except LeadershipLostError:
        raise
    except Exception as error:  # Whatever it is: a replica that can't tell whether it leads must not go on.
        log.exception("the election failed")
        raise LeadershipLostError(f"the election failed, so the process ends: {error!r}") from error
    finally:
        # Whatever ended the election, nothing is done from here on.
        controller.abandon()
        stop.set()


def _identity() -> str:
    """A name that no other process has or had; in a pod, it begins with the pod's."""
    return f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"
