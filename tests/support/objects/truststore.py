"""The authority's Secret and the webhooks' configuration in memory, changed by compare-and-swap as in a cluster."""

import base64
import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography import x509

from tenure.errors import AlreadyExistsError, ConflictError, ObjectNotFoundError, RejectedError
from tenure.kube import webhooks
from tenure.kube.names import WEBHOOK_CONFIGURATION

HOST = "tenure-webhook.tenure-system.svc"

Body = dict[str, Any]


class TrustStore:
    """Stands in for a `Cluster`; remembers since when the API server was told to trust what."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.secret: Body | None = None
        self._version = 0
        client = {"service": {"name": "tenure-webhook", "namespace": "tenure-system", "path": "/memberships"}}
        self._configuration: Body = {
            "metadata": {"name": WEBHOOK_CONFIGURATION, "resourceVersion": "0"},
            "webhooks": [{"name": "memberships.tenure.dev", "clientConfig": client}],
        }
        self._told: list[tuple[datetime, bytes]] = []

    async def request(self, method: str, path: str, *, body: Body | None = None, **_: object) -> Body:
        """Answer what the keeper asks."""
        if path == webhooks.PATH:
            return copy.deepcopy(self._configuration if method == "GET" else self._tell(body or {}))
        if method == "GET":
            if self.secret is None:
                raise ObjectNotFoundError(path)
            return copy.deepcopy(self.secret)
        return self._keep(method, body or {})

    async def delete_path(self, path: str, preconditions: Mapping[str, str]) -> None:
        """Delete the Secret."""
        if self.secret is None or self.secret["metadata"]["uid"] != preconditions["uid"]:
            raise ConflictError(path)
        self.secret = None

    def trusted(self, at: datetime) -> list[x509.Certificate]:
        """The authorities that the API server had been told to trust by a moment."""
        bundles = [bundle for since, bundle in self._told if since <= at]
        return x509.load_pem_x509_certificates(bundles[-1]) if bundles else []

    def _keep(self, method: str, body: Body) -> Body:
        if method == "POST" and self.secret is not None:
            raise AlreadyExistsError("the Secret")
        if method == "PUT" and _version(self.secret) != _version(body):
            raise ConflictError("the Secret")
        if method == "PUT" and self.secret is not None and self.secret["type"] != body["type"]:
            raise RejectedError("the Secret: type: field is immutable")
        self.secret = self._with_new_version(body)
        return self.secret

    def _tell(self, body: Body) -> Body:
        if _version(self._configuration) != _version(body):
            raise ConflictError("the configuration")
        bundle = body["webhooks"][0]["clientConfig"]["caBundle"]
        self._configuration["webhooks"][0]["clientConfig"]["caBundle"] = bundle
        self._configuration = self._with_new_version(self._configuration)
        self._told.append((self.now, base64.b64decode(bundle)))
        return self._configuration

    def _with_new_version(self, body: Body) -> Body:
        self._version += 1
        number = str(self._version)
        return {**body, "metadata": {"uid": number, **body["metadata"], "resourceVersion": number}}


def _version(body: Mapping[str, Any] | None) -> str:
    return "" if body is None else str(body["metadata"]["resourceVersion"])
