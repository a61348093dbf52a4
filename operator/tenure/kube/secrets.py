"""Requests for Secrets, each for one Secret of a known name. Tenure never lists or watches Secrets."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from tenure.domain.secret import SecretFacts
from tenure.errors import ApiError, ObjectNotFoundError
from tenure.kube.cluster import MERGE_PATCH, Cluster


async def create_secret(cluster: Cluster, body: Mapping[str, Any]) -> SecretFacts:
    """Create a Secret.

    Raises:
        AlreadyExistsError: a Secret of that name exists.
        NamespaceTerminatingError: the namespace is being deleted.
        RejectedError: the API server finds it invalid.
    """
    path = f"/api/v1/namespaces/{body['metadata']['namespace']}/secrets"
    try:
        return SecretFacts.from_body(await cluster.request("POST", path, body=body))
    except ApiError as error:
        raise _without_values(error, body["data"].values()) from None


async def patch_secret(cluster: Cluster, namespace: str, name: str, body: Mapping[str, Any]) -> SecretFacts:
    """Change a Secret in place, if it is still the one whose uid and resourceVersion `body` names.

    Raises:
        ConflictError: it has changed, or another Secret has the name now.
        ObjectNotFoundError: it was deleted.
        RejectedError: the API server finds it invalid.
    """
    try:
        answer = await cluster.request("PATCH", secret_path(namespace, name), body=body, content_type=MERGE_PATCH)
    except ApiError as error:
        raise _without_values(error, body.get("data", {}).values()) from None
    return SecretFacts.from_body(answer)


async def get_secret(cluster: Cluster, namespace: str, name: str) -> SecretFacts | None:
    """Read a Secret consistently, or return None if there is none."""
    try:
        return SecretFacts.from_body(await cluster.request("GET", secret_path(namespace, name)))
    except ObjectNotFoundError:
        return None


async def delete_secret(cluster: Cluster, namespace: str, name: str, uid: str) -> None:
    """Delete a Secret with this uid. It is no error if it doesn't exist any more.

    Raises:
        ConflictError: another Secret has the name now.
    """
    await cluster.delete_path(secret_path(namespace, name), {"uid": uid})


def secret_path(namespace: str, name: str) -> str:
    """The path of a Secret."""
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def _without_values(error: ApiError, values: Iterable[str]) -> ApiError:
    """Remove the Secret's values from an error, because the API server's answer may quote them."""
    text = str(error)
    for value in values:
        text = text.replace(value, "••••").replace(base64.b64decode(value).decode(), "••••")
    return type(error)(text, status=error.status, reason=error.reason, retry_after=error.retry_after)
