"""Posts Kubernetes Events: one for each occurrence, with a name that is derived from it."""

import asyncio
import hashlib
import logging
import os
import socket
from datetime import datetime
from typing import Any

from tenure.domain.planning.actions import EmitEvent
from tenure.domain.resources import Resource
from tenure.domain.resources.base import API_VERSION
from tenure.errors import ApiError, NamespaceTerminatingError, UnavailableError
from tenure.kube.cluster import Cluster
from tenure.kube.events import create_event

log = logging.getLogger("tenure.reconcile")

CONTROLLER = "tenure.dev/controller"
_MAX_NOTE_BYTES = 1024
_PAUSES_SECONDS = (0.1, 0.3, 0.0)


async def record(cluster: Cluster, event: EmitEvent, regarding: Resource, now: datetime) -> None:
    """Post an Event on an object. A failure is logged and not raised."""
    body = _body(event, regarding, now)
    for pause in _PAUSES_SECONDS:
        try:
            await create_event(cluster, body)
        except NamespaceTerminatingError:
            return  # Its Events are deleted with it.
        except UnavailableError as error:
            failure: ApiError = error
            await asyncio.sleep(pause)
        except ApiError as error:
            failure = error
            break
        else:
            return
    log.warning("Event %s on %s %s wasn't recorded: %s", event.reason, regarding.kind, regarding.name, failure)


def _body(event: EmitEvent, regarding: Resource, now: datetime) -> dict[str, Any]:
    metadata = regarding.metadata
    identity = f"{metadata.uid}/{event.reason}/{event.occurrence}"
    suffix = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata.name}.{suffix}", "namespace": metadata.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": f"{socket.gethostname()}-{os.getpid()}"[:128],
        "action": "Reconcile",
        "reason": event.reason,
        "type": event.type.value,
        "note": _cut(event.note),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": regarding.kind,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
    }


def _cut(note: str) -> str:
    """Cut a note to the number of bytes that the API server accepts, without splitting a character."""
    return note.encode()[:_MAX_NOTE_BYTES].decode(errors="ignore")
