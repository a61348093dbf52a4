"""Reads and writes the Secret of the webhook's certificate authorities, by compare-and-swap."""

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenure.errors import AlreadyExistsError, ConflictError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.kube.names import AUTHORITIES_SECRET
from tenure.kube.secrets import delete_secret, secret_path

_TYPE = "Opaque"


log = logging.getLogger("tenure.tls")


@dataclass(frozen=True)
class StoredAuthorities:
    """The content of the Secret: PEM texts by file name, and the resourceVersion that was read."""

    files: Mapping[str, bytes]
    resource_version: str = ""
    """Empty if there is no Secret yet."""


async def read_authorities(cluster: Cluster, namespace: str) -> StoredAuthorities:
    """Read the Secret. If there is none, the result has no files.

    A Secret of another type holds somebody else's data, for example a key's token, and a Secret's type can't be
    changed. So it is deleted, and the next write creates the Secret anew.
    """
    try:
        body = await cluster.request("GET", secret_path(namespace, AUTHORITIES_SECRET))
    except ObjectNotFoundError:
        return StoredAuthorities({})
    if body.get("type", _TYPE) != _TYPE:
        log.warning("Deleting Secret %s, because its type is %s and not %s", AUTHORITIES_SECRET, body["type"], _TYPE)
        await delete_secret(cluster, namespace, AUTHORITIES_SECRET, body["metadata"]["uid"])
        return StoredAuthorities({})
    files = {name: base64.b64decode(value) for name, value in (body.get("data") or {}).items()}
    return StoredAuthorities(files, body["metadata"]["resourceVersion"])


async def write_authorities(cluster: Cluster, namespace: str, stored: StoredAuthorities) -> bool:
    """Store the authorities unless the Secret changed since it was read. False if another replica was faster."""
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
        "type": _TYPE,
        "data": {name: base64.b64encode(text).decode() for name, text in stored.files.items()},
    }
    method = "PUT" if stored.resource_version else "POST"
    path = secret_path(namespace, AUTHORITIES_SECRET if stored.resource_version else "").rstrip("/")
    try:
        await cluster.request(method, path, body=body)
    except (AlreadyExistsError, ConflictError):
        return False
    return True
