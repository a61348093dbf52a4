"""The client of a process that runs for long: behind a gate, so that it bears an API server that is away."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from tenure.domain.resources import Membership
from tenure.domain.resources.base import FIELD_MANAGER
from tenure.kube.cluster import CONNECTIONS, Cluster
from tenure.kube.connection import Connection
from tenure.kube.gate import Gate
from tenure.kube.objects import collection_path
from tenure.observability.prometheus import Measurements

PROBE_SECONDS = 10.0
"""Time in which a probe must be answered. An API server that takes longer for one small list is as good as away."""


@contextlib.asynccontextmanager
async def gated(
    connection: Connection,
    measurements: Measurements,
    namespaces: Sequence[str],
    *,
    connections: int = CONNECTIONS,
    field_manager: str = FIELD_MANAGER,
) -> AsyncIterator[Cluster]:
    """Open a client whose requests fail at once while the API server is away.

    The gate's probe lists one Membership, because each program may do so in the namespaces that it serves. The list
    needs etcd, and API Priority and Fairness treats it as the other requests of this program.
    """

    async def probe() -> None:
        # A client of its own, so that the probe doesn't wait behind requests that hang.
        async with Cluster(connection, measurements, connections=1) as cluster:
            path = collection_path(Membership, namespaces[0] if namespaces else None)
            await cluster.request("GET", path, params={"limit": "1"}, seconds=PROBE_SECONDS)

    gate = Gate(probe)
    measurements.read_from(gate.measure)
    async with Cluster(
        connection, measurements, connections=connections, field_manager=field_manager, gate=gate
    ) as cluster:
        try:
            yield cluster
        finally:
            await gate.close()
