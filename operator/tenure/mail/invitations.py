"""Writes `status.invitation` of Memberships, and no other field."""

from collections.abc import Mapping
from typing import Any

from tenure.domain.resources import Membership
from tenure.kube.cluster import MERGE_PATCH, Cluster
from tenure.kube.objects import object_path

FIELD_MANAGER = "tenure-mail"


async def write_invitation(cluster: Cluster, old: Membership, fields: Mapping[str, Any]) -> None:
    """Set fields of `status.invitation`, unless the Membership changed since it was read. None removes a field.

    Raises:
        ConflictError: it changed, or it is another one of the same name.
        ObjectNotFoundError: it doesn't exist any more.
    """
    body = {
        "metadata": {"uid": old.metadata.uid, "resourceVersion": old.metadata.resource_version},
        "status": {"invitation": fields},
    }
    path = f"{object_path(Membership, old.namespace, old.name)}/status"
    await cluster.request("PATCH", path, body=body, content_type=MERGE_PATCH)
