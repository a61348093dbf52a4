"""The calls on Secrets, each on one Secret of a known name: Secrets are never listed or watched."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from tenure.domain.secret import SecretFacts
from tenure.errors import ApiError, ObjectNotFoundError
from tenure.kube.cluster import Cluster


async def create_secret(cluster: Cluster, body: Mapping[str, Any]) -> SecretFacts:
    """Create a Secret.

    Raises:
        AlreadyExistsError: there is a Secret of that name.
        NamespaceTerminatingError: the namespace is going away.
        RejectedError: the API server finds it invalid.
    """
    path = f"/api/v1/namespaces/{body['metadata']['namespace']}/secrets"
    try:
        return SecretFacts.from_body(await cluster.request("POST", path, body=body))
    except ApiError as error:
        raise _without_values(error, body["data"].values()) from None


async def get_secret(cluster: Cluster, namespace: str, name: str) -> SecretFacts | None:
    """Read a Secret consistently; None where there is none."""
    try:
        return SecretFacts.from_body(await cluster.request("GET", secret_path(namespace, name)))
    except ObjectNotFoundError:
        return None


async def delete_secret(cluster: Cluster, namespace: str, name: str, uid: str) -> None:
    """Delete a Secret, if it has this uid; one that is gone already is fine.

    Raises:
        ConflictError: another Secret has the name now.
    """
    await cluster.delete_path(secret_path(namespace, name), {"uid": uid})


def secret_path(namespace: str, name: str) -> str:
    """The path of a Secret."""
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def _without_values(error: ApiError, values: Iterable[str]) -> ApiError:
    """The error without the Secret's values, which an answer may quote."""
    text = str(error)
    for value in values:
        text = text.replace(value, "••••").replace(base64.b64decode(value).decode(), "••••")
    return type(error)(text, status=error.status, reason=error.reason, retry_after=error.retry_after)
