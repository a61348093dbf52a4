"""The body of an Event, and the request that creates it."""

import hashlib
import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tenure.domain.resources import Resource
from tenure.domain.resources.base import API_VERSION
from tenure.errors import AlreadyExistsError
from tenure.kube.cluster import Cluster

_MAX_NOTE_BYTES = 1024


def event_body(
    regarding: Resource,
    now: datetime,
    *,
    reason: str,
    type_: str,
    note: str,
    occurrence: str,
    controller: str,
    action: str,
) -> Mapping[str, Any]:
    """Return an Event on an object. Its name follows from what it reports, so the same one exists once."""
    metadata = regarding.metadata
    suffix = hashlib.sha256(f"{metadata.uid}/{reason}/{occurrence}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata.name}.{suffix}", "namespace": metadata.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": controller,
        "reportingInstance": f"{socket.gethostname()}-{os.getpid()}"[:128],
        "action": action,
        "reason": reason,
        "type": type_,
        "note": _cut(note),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": regarding.kind,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
    }


async def create_event(cluster: Cluster, body: Mapping[str, Any]) -> None:
    """Create an Event. If one of the same name exists, it is the same Event, so that is no error."""
    path = f"/apis/events.k8s.io/v1/namespaces/{body['metadata']['namespace']}/events"
    try:
        await cluster.request("POST", path, body=body)
    except AlreadyExistsError:
        return


def _cut(note: str) -> str:
    """Cut a note to the number of bytes that the API server accepts, without splitting a character."""
    return note.encode()[:_MAX_NOTE_BYTES].decode(errors="ignore")
