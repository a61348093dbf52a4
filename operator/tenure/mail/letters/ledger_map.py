"""Keeps the ledger in a ConfigMap in Tenure's own namespace, by compare-and-swap."""

import base64
import binascii
import logging
from datetime import datetime

from tenure.domain.letters.ledger import Ledger, LedgerError
from tenure.errors import ObjectNotFoundError, StartRefusedError
from tenure.kube.cluster import Cluster
from tenure.kube.names import MAIL_LEDGER

log = logging.getLogger("tenure.mail")

_FIELD = "ledger"


class LedgerMap:
    """The ConfigMap of the ledger."""

    def __init__(self, cluster: Cluster, namespace: str, key: bytes) -> None:
        """`key` is the secret with which addresses are hashed."""
        self._cluster = cluster
        self._namespace = namespace
        self._key = key
        self._version = ""

    async def load(self, now: datetime) -> Ledger:
        """Read the ledger, or begin one.

        Raises:
            StartRefusedError: it can't be read. Without it no limit holds, so no letter is sent.
            ApiError: the API server can't be asked.
        """
        try:
            body = await self._cluster.request("GET", f"{self._path}/{MAIL_LEDGER}")
        except ObjectNotFoundError:
            self._version = ""
            return Ledger(self._key, now)
        self._version = body["metadata"]["resourceVersion"]
        try:
            content = base64.b64decode((body.get("binaryData") or {})[_FIELD], validate=True)
            return Ledger.from_bytes(self._key, content)
        except (KeyError, binascii.Error, LedgerError) as error:
            raise StartRefusedError(
                f"ConfigMap {self._namespace}/{MAIL_LEDGER} isn't Tenure's ledger of letters ({error}), so no "
                f"letter is sent. If you can do without its limits for a day, delete it: kubectl delete configmap "
                f"{MAIL_LEDGER} -n {self._namespace}"
            ) from error

    async def store(self, ledger: Ledger) -> None:
        """Write the ledger, unless somebody else wrote it since it was read.

        Raises:
            ConflictError: it changed. Load it again.
            ObjectNotFoundError: it was deleted. Load it again.
        """
        metadata = {
            "name": MAIL_LEDGER,
            "namespace": self._namespace,
            "labels": {"app.kubernetes.io/managed-by": "tenure"},
        }
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata | ({"resourceVersion": self._version} if self._version else {}),
            "binaryData": {_FIELD: base64.b64encode(ledger.to_bytes()).decode()},
        }
        method, path = ("PUT", f"{self._path}/{MAIL_LEDGER}") if self._version else ("POST", self._path)
        answer = await self._cluster.request(method, path, body=body)
        self._version = answer["metadata"]["resourceVersion"]

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self._namespace}/configmaps"
