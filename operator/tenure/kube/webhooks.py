"""Reads the ValidatingWebhookConfiguration, and writes the authorities in it that the API server trusts."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import APPLY_PATCH, Cluster
from tenure.kube.names import WEBHOOK_CONFIGURATION

PATH = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{WEBHOOK_CONFIGURATION}"


@dataclass(frozen=True)
class Registration:
    """The parts of the configuration that the webhook needs."""

    resource_version: str
    bundles: Mapping[str, bytes]
    """The authorities that the API server trusts, as PEM, by the webhook's name."""

    hosts: tuple[str, ...]
    """The host names by which the API server reaches the listener."""

    paths: tuple[str, ...]
    """The paths that the API server sends reviews to."""

    webhooks: Mapping[str, Mapping[str, Any]]
    """The webhooks as they are stored, by name."""

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Parse a configuration as the API server sent it."""
        webhooks = {webhook["name"]: webhook for webhook in body.get("webhooks") or ()}
        clients = {name: webhook["clientConfig"] for name, webhook in webhooks.items()}
        return cls(
            resource_version=body["metadata"]["resourceVersion"],
            bundles={name: base64.b64decode(client.get("caBundle") or "") for name, client in clients.items()},
            hosts=tuple(dict.fromkeys(map(_host, clients.values()))),
            paths=tuple(map(_path, clients.values())),
            webhooks=webhooks,
        )


async def read_registration(cluster: Cluster) -> Registration | None:
    """Read the configuration, or return None if it isn't installed."""
    try:
        return Registration.from_body(await cluster.request("GET", PATH))
    except ObjectNotFoundError:
        return None


async def trust(cluster: Cluster, registration: Registration, bundle: bytes) -> None:
    """Make the API server trust these authorities, by server-side apply of `caBundle`, the only field of Tenure.

    Raises:
        ConflictError: the configuration changed since it was read. Without its resourceVersion, an apply could recreate
            a configuration that was deleted.
    """
    encoded = base64.b64encode(bundle).decode()
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": WEBHOOK_CONFIGURATION, "resourceVersion": registration.resource_version},
        "webhooks": [{"name": name, "clientConfig": {"caBundle": encoded}} for name in registration.bundles],
    }
    await cluster.request("PATCH", PATH, params={"force": "true"}, body=body, content_type=APPLY_PATCH)


def _host(client: Mapping[str, Any]) -> str:
    if service := client.get("service"):
        return f"{service['name']}.{service['namespace']}.svc"
    return urlsplit(client["url"]).hostname or ""


def _path(client: Mapping[str, Any]) -> str:
    if service := client.get("service"):
        return str(service.get("path") or "/")
    return str(urlsplit(client["url"]).path)
