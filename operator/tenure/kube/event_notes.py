"""Read the Events about an object, for people."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tenure.errors import ForbiddenError
from tenure.kube.cluster import Cluster
from tenure.viewmodel.timeline import MOST, EventNote, Events


async def read_events(cluster: Cluster, kind: str, namespace: str, name: str) -> Events:
    """List the Events about an object, at most a few dozen, or say why the caller may not.

    Raises:
        ApiError: the API server doesn't answer.
    """
    selector = f"involvedObject.kind={kind},involvedObject.name={name}"
    path = f"/api/v1/namespaces/{namespace}/events"
    try:
        found = await cluster.request("GET", path, params={"fieldSelector": selector, "limit": str(MOST)})
    except ForbiddenError:
        return Events(
            hidden=f"You may not list Events in namespace {namespace}, so they are missing here. To check: "
            f"kubectl auth can-i list events -n {namespace}"
        )
    return Events(tuple(_notes(found)))


def _notes(found: Mapping[str, Any]) -> Iterator[EventNote]:
    for body in found.get("items") or ():
        moment = body.get("eventTime") or body.get("lastTimestamp") or body["metadata"].get("creationTimestamp")
        if moment:
            reporter = body.get("reportingComponent") or (body.get("source") or {}).get("component") or ""
            at = datetime.fromisoformat(str(moment)).replace(microsecond=0)
            yield EventNote(at, str(body.get("reason") or ""), str(body.get("message") or ""), str(reporter))
