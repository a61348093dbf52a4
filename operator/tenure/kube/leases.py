"""Leases: who holds something, changed by compare-and-swap."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from tenure.errors import ObjectNotFoundError, StartRefusedError
from tenure.kube.cluster import TIMEOUT_SECONDS, Cluster

_VERSION = "coordination.k8s.io/v1"
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
HELD_VERSION = "tenure.dev/held-version"
"""Annotation: the resourceVersion of the object that the holder may change."""


@dataclass(frozen=True)
class Lease:
    """A Lease as it was read, or as it should be."""

    namespace: str
    name: str
    holder: str
    held_version: str
    acquired: datetime
    seconds: int
    renewed: datetime | None = None
    transitions: int = 0
    resource_version: str = ""
    """Empty: it doesn't exist yet."""

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a Lease as the API server sent it."""
        metadata, spec = body["metadata"], body.get("spec") or {}
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            holder=spec.get("holderIdentity") or "",
            held_version=(metadata.get("annotations") or {}).get(HELD_VERSION, ""),
            acquired=datetime.fromisoformat(spec.get("acquireTime") or "1970-01-01T00:00:00Z"),
            seconds=int(spec.get("leaseDurationSeconds") or 0),
            renewed=datetime.fromisoformat(renewed) if (renewed := spec.get("renewTime")) else None,
            transitions=int(spec.get("leaseTransitions") or 0),
            resource_version=metadata["resourceVersion"],
        )

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return now >= self.acquired + timedelta(seconds=self.seconds)

    def to_body(self) -> dict[str, Any]:
        """The Lease as a body to create or to replace it with."""
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {"app.kubernetes.io/managed-by": "tenure"},
            **({"annotations": {HELD_VERSION: self.held_version}} if self.held_version else {}),
        }
        if self.resource_version:
            metadata["resourceVersion"] = self.resource_version
        spec = {
            "holderIdentity": self.holder,
            "acquireTime": self.acquired.strftime(_TIME),
            "leaseDurationSeconds": self.seconds,
            "leaseTransitions": self.transitions,
        }
        if self.renewed is not None:
            spec["renewTime"] = self.renewed.strftime(_TIME)
        return {"apiVersion": _VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}


async def read_lease(cluster: Cluster, namespace: str, name: str, *, seconds: float = TIMEOUT_SECONDS) -> Lease | None:
    """Read a Lease consistently, within so many seconds; None where there is none."""
    try:
        return Lease.from_body(await cluster.request("GET", _path(namespace, name), seconds=seconds))
    except ObjectNotFoundError:
        return None


async def write_lease(
    cluster: Cluster, lease: Lease, *, seconds: float = TIMEOUT_SECONDS, dry_run: bool = False
) -> Lease:
    """Create a Lease, or replace it if it is still as it was read, within so many seconds; returns what is stored.

    `dry_run`: nothing is stored.

    Raises:
        AlreadyExistsError: somebody else created it.
        ConflictError: somebody else changed it.
    """
    if lease.resource_version:
        method, path = "PUT", _path(lease.namespace, lease.name)
    else:
        method, path = "POST", _path(lease.namespace)
    params = {"dryRun": "All"} if dry_run else {}
    return Lease.from_body(await cluster.request(method, path, params=params, body=lease.to_body(), seconds=seconds))


async def try_leases(cluster: Cluster, namespace: str) -> None:
    """Create a Lease as a dry-run: nothing is stored.

    Raises:
        StartRefusedError: the namespace doesn't exist.
    """
    body = {"apiVersion": _VERSION, "kind": "Lease", "metadata": {"name": "tenure-trial", "namespace": namespace}}
    try:
        await cluster.request("POST", _path(namespace), params={"dryRun": "All"}, body=body)
    except ObjectNotFoundError as error:
        raise StartRefusedError(
            f"namespace {namespace} doesn't exist, where Tenure keeps its authority and its leases; create it, or name "
            f"another one with --system-namespace ({error})"
        ) from error


def _path(namespace: str, name: str = "") -> str:
    return f"/apis/{_VERSION}/namespaces/{namespace}/leases" + (f"/{name}" if name else "")
