"""Reads and writes Leases, by compare-and-swap."""

from tenure.domain.lease import LEASE_VERSION, Lease
from tenure.errors import ObjectNotFoundError, StartRefusedError
from tenure.kube.cluster import TIMEOUT_SECONDS, Cluster


async def read_lease(cluster: Cluster, namespace: str, name: str, *, seconds: float = TIMEOUT_SECONDS) -> Lease | None:
    """Read a Lease consistently within so many seconds, or return None if there is none."""
    try:
        return Lease.from_body(await cluster.request("GET", _path(namespace, name), seconds=seconds))
    except ObjectNotFoundError:
        return None


async def write_lease(
    cluster: Cluster, lease: Lease, *, seconds: float = TIMEOUT_SECONDS, dry_run: bool = False
) -> Lease:
    """Create a Lease, or replace it unless it changed since it was read, and return the stored Lease.

    `seconds` is the request's timeout. With `dry_run` the API server checks the request and stores nothing.

    Raises:
        AlreadyExistsError: another client created it.
        ConflictError: another client changed it.
    """
    if lease.resource_version:
        method, path = "PUT", _path(lease.namespace, lease.name)
    else:
        method, path = "POST", _path(lease.namespace)
    params = {"dryRun": "All"} if dry_run else {}
    return Lease.from_body(await cluster.request(method, path, params=params, body=lease.to_body(), seconds=seconds))


async def try_leases(cluster: Cluster, namespace: str) -> None:
    """Check by a dry-run that a Lease can be created in a namespace.

    Raises:
        StartRefusedError: the namespace doesn't exist.
    """
    body = {"apiVersion": LEASE_VERSION, "kind": "Lease", "metadata": {"name": "tenure-trial", "namespace": namespace}}
    try:
        await cluster.request("POST", _path(namespace), params={"dryRun": "All"}, body=body)
    except ObjectNotFoundError as error:
        raise StartRefusedError(
            f"namespace {namespace} doesn't exist. Tenure keeps its Leases there, and the webhook's certificate "
            f"authority. Create it with: kubectl create namespace {namespace}. Or set --system-namespace to another one"
        ) from error


def _path(namespace: str, name: str = "") -> str:
    return f"/apis/{LEASE_VERSION}/namespaces/{namespace}/leases" + (f"/{name}" if name else "")
