"""The Secret that holds the webhook's certificate authorities, changed by compare-and-swap."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenure.errors import AlreadyExistsError, ConflictError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.kube.names import AUTHORITIES_SECRET
from tenure.kube.secrets import secret_path


@dataclass(frozen=True)
class StoredAuthorities:
    """What the Secret holds: PEM texts by name, and the version in which they were read."""

    files: Mapping[str, bytes]
    resource_version: str = ""
    """Empty: there is no Secret yet."""


async def read_authorities(cluster: Cluster, namespace: str) -> StoredAuthorities:
    """Read the Secret; without one, nothing is stored."""
    try:
        body = await cluster.request("GET", secret_path(namespace, AUTHORITIES_SECRET))
    except ObjectNotFoundError:
        return StoredAuthorities({})
    files = {name: base64.b64decode(value) for name, value in (body.get("data") or {}).items()}
    return StoredAuthorities(files, body["metadata"]["resourceVersion"])


async def write_authorities(cluster: Cluster, namespace: str, stored: StoredAuthorities) -> bool:
    """Store the authorities, if the Secret is as it was read; False: another replica was quicker."""
    metadata: dict[str, Any] = {
        "name": AUTHORITIES_SECRET,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/managed-by": "tenure"},
    }
    if stored.resource_version:
        metadata["resourceVersion"] = stored.resource_version
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "data": {name: base64.b64encode(text).decode() for name, text in stored.files.items()},
    }
    method = "PUT" if stored.resource_version else "POST"
    path = secret_path(namespace, AUTHORITIES_SECRET if stored.resource_version else "").rstrip("/")
    try:
        await cluster.request(method, path, body=body)
    except (AlreadyExistsError, ConflictError):
        return False
    return True
