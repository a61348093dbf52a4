"""The connection of a command: the caller's cluster, and the namespace of the organization."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from tenure.kube.cluster import Cluster
from tenure.kube.connection import connect_as_caller
from tenure.kube.snapshots import read_snapshot
from tenure.system_settings import check_namespaces
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.snapshot import Snapshot


@dataclass(frozen=True)
class Session:
    """A cluster, the namespace of the organization in it, and the context that was chosen, or empty."""

    cluster: Cluster
    namespace: str
    context: str = ""

    async def snapshot(self) -> Snapshot:
        """List the namespace's objects."""
        return replace(await read_snapshot(self.cluster, self.namespace), context=self.context)


@asynccontextmanager
async def opened(context: str, namespace: str) -> AsyncIterator[Session]:
    """Connect to the cluster of a context while the block runs. Empty values mean what the kubeconfig says.

    Raises:
        StartRefusedError: there is no such cluster.
        ViewError: the namespace can't exist.
    """
    try:
        check_namespaces([namespace] if namespace else [])
    except ValueError as error:
        raise ViewError(str(error)) from None
    connection = await connect_as_caller(context)
    async with Cluster(connection) as cluster:
        yield Session(cluster, namespace or connection.namespace or "default", context)
