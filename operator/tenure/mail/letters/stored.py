"""Keeps bytes in a ConfigMap in Tenure's own namespace, by compare-and-swap."""

import base64
import binascii
from dataclasses import dataclass

from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import Cluster


@dataclass
class StoredBytes:
    """One field of a ConfigMap of the mail process."""

    cluster: Cluster
    namespace: str
    name: str
    field: str
    _version: str = ""

    async def load(self) -> bytes | None:
        """Read the bytes, or return None if there is no such ConfigMap.

        Raises:
            ValueError: the ConfigMap has no such field, or it isn't in base64.
            ApiError: the API server can't be asked.
        """
        try:
            body = await self.cluster.request("GET", f"{self._path}/{self.name}")
        except ObjectNotFoundError:
            self._version = ""
            return None
        self._version = body["metadata"]["resourceVersion"]
        try:
            return base64.b64decode((body.get("binaryData") or {})[self.field], validate=True)
        except KeyError:
            raise ValueError(f"it has no binaryData.{self.field}") from None
        except binascii.Error as error:
            raise ValueError(f"binaryData.{self.field}: {error}") from error

    async def store(self, content: bytes) -> None:
        """Write the bytes, unless another process wrote since they were read.

        Raises:
            ConflictError: the ConfigMap changed. Load it again.
            ObjectNotFoundError: it was deleted. Load it again.
        """
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {"app.kubernetes.io/managed-by": "tenure"},
        }
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata | ({"resourceVersion": self._version} if self._version else {}),
            "binaryData": {self.field: base64.b64encode(content).decode()},
        }
        method, path = ("PUT", f"{self._path}/{self.name}") if self._version else ("POST", self._path)
        answer = await self.cluster.request(method, path, body=body)
        self._version = answer["metadata"]["resourceVersion"]

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps"
