"""The request that creates Events."""

from collections.abc import Mapping
from typing import Any

from tenure.errors import AlreadyExistsError
from tenure.kube.cluster import Cluster


async def create_event(cluster: Cluster, body: Mapping[str, Any]) -> None:
    """Create an Event. If one of the same name exists, it is the same Event, so that is no error."""
    path = f"/apis/events.k8s.io/v1/namespaces/{body['metadata']['namespace']}/events"
    try:
        await cluster.request("POST", path, body=body)
    except AlreadyExistsError:
        return
