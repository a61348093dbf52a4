"""Leases: who holds something, changed by compare-and-swap."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import Cluster

_VERSION = "coordination.k8s.io/v1"
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
            "annotations": {HELD_VERSION: self.held_version},
        }
        if self.resource_version:
            metadata["resourceVersion"] = self.resource_version
        spec = {
            "holderIdentity": self.holder,
            "acquireTime": self.acquired.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "leaseDurationSeconds": self.seconds,
        }
        return {"apiVersion": _VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}


async def read_lease(cluster: Cluster, namespace: str, name: str) -> Lease | None:
    """Read a Lease consistently; None where there is none."""
    try:
        return Lease.from_body(await cluster.request("GET", _path(namespace, name)))
    except ObjectNotFoundError:
        return None


async def write_lease(cluster: Cluster, lease: Lease) -> None:
    """Create a Lease, or replace it if it is still as it was read.

    Raises:
        AlreadyExistsError: somebody else created it.
        ConflictError: somebody else changed it.
    """
    if lease.resource_version:
        await cluster.request("PUT", _path(lease.namespace, lease.name), body=lease.to_body())
    else:
        await cluster.request("POST", _path(lease.namespace), body=lease.to_body())


async def try_leases(cluster: Cluster, namespace: str) -> None:
    """Create a Lease as a dry-run: nothing is stored.

    Raises:
        ObjectNotFoundError: the namespace doesn't exist.
    """
    body = {"apiVersion": _VERSION, "kind": "Lease", "metadata": {"name": "tenure-trial", "namespace": namespace}}
    await cluster.request("POST", _path(namespace), params={"dryRun": "All"}, body=body)


def _path(namespace: str, name: str = "") -> str:
    return f"/apis/{_VERSION}/namespaces/{namespace}/leases" + (f"/{name}" if name else "")
