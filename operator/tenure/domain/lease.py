"""Converts Leases of Kubernetes, which say who holds something and until when, from and to bodies."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

LEASE_VERSION = "coordination.k8s.io/v1"

HELD_VERSION = "tenure.dev/held-version"
"""Annotation with the resourceVersion of the object that the holder may change."""

WAITING = "tenure.dev/waiting"
"""Annotation with those who wait for the Lease, in the order in which they may take it."""

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class Lease:
    """A Lease as it was read, or as it is to be written."""

    namespace: str
    name: str
    holder: str
    held_version: str
    acquired: datetime
    seconds: int
    renewed: datetime | None = None
    transitions: int = 0
    waiting: tuple[str, ...] = ()
    resource_version: str = ""
    """Empty if the Lease doesn't exist yet."""

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Parse a Lease as the API server sent it."""
        metadata, spec = body["metadata"], body.get("spec") or {}
        annotations = metadata.get("annotations") or {}
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            holder=spec.get("holderIdentity") or "",
            held_version=annotations.get(HELD_VERSION, ""),
            acquired=datetime.fromisoformat(spec.get("acquireTime") or "1970-01-01T00:00:00Z"),
            seconds=int(spec.get("leaseDurationSeconds") or 0),
            renewed=datetime.fromisoformat(renewed) if (renewed := spec.get("renewTime")) else None,
            transitions=int(spec.get("leaseTransitions") or 0),
            waiting=tuple(filter(None, annotations.get(WAITING, "").split(","))),
            resource_version=metadata["resourceVersion"],
        )

    @property
    def expiry(self) -> datetime:
        """When the Lease expires, counted from when it was last acquired or renewed."""
        return (self.renewed or self.acquired) + timedelta(seconds=self.seconds)

    def expired(self, now: datetime) -> bool:
        """Return whether the Lease has expired."""
        return now >= self.expiry

    def to_body(self) -> dict[str, Any]:
        """Return the Lease as a body for a create or a replace request."""
        annotations = {HELD_VERSION: self.held_version, WAITING: ",".join(self.waiting)}
        given = {name: value for name, value in annotations.items() if value}
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {"app.kubernetes.io/managed-by": "tenure"},
            **({"annotations": given} if given else {}),
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
        return {"apiVersion": LEASE_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}
