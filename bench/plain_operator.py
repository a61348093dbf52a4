"""The same job as Kopf's tutorials would have it: creation and update handlers, the synchronous client, adoption.

Nothing is held back on purpose, and nothing is tuned: as in Kopf's own walkthrough, each call makes its client.
"""

import base64
import hashlib
import secrets
from datetime import UTC, datetime
from typing import Any, cast

import kopf
from kubernetes import client, config

GROUP, VERSION = "tenure.dev", "v1alpha1"


@kopf.on.startup()
def connect(**_: Any) -> None:
    """Find the API server."""
    config.load_kube_config()  # type: ignore[no-untyped-call]


@kopf.on.create(GROUP, VERSION, "apikeys")
def issue(*, name: str, namespace: Any, spec: kopf.Spec, meta: kopf.Meta, patch: kopf.Patch, **_: Any) -> None:
    """Put a token into a Secret that the ApiKey owns, and say so in the status."""
    role = _membership(namespace, spec["membership"])["spec"]["role"]
    token = secrets.token_urlsafe(32)
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"tenure.dev/membership": spec["membership"]}},
        "data": {"token": base64.b64encode(token.encode()).decode()},
    }
    kopf.adopt(secret)
    created: Any = client.CoreV1Api().create_namespaced_secret(namespace, cast(Any, secret))
    patch.status["secretName"] = name
    patch.status["secretUID"] = created.metadata.uid
    patch.status["hash"] = "sha256:" + hashlib.sha256(token.encode()).hexdigest()
    patch.status["observedGeneration"] = meta["generation"]
    patch.status["conditions"] = [_ready(f"issued under the role {role}")]


@kopf.on.update(GROUP, VERSION, "memberships", field="spec.role")
def revoke_keys(*, name: str, namespace: Any, **_: Any) -> None:
    """Delete the member's keys; the garbage collector deletes their Secrets."""
    api = client.CustomObjectsApi()
    keys: Any = api.list_namespaced_custom_object(
        GROUP, VERSION, namespace, "apikeys", field_selector=f"spec.membership={name}"
    )
    for key in keys["items"]:
        api.delete_namespaced_custom_object(GROUP, VERSION, namespace, "apikeys", key["metadata"]["name"])


def _membership(namespace: str, name: str) -> Any:
    api = client.CustomObjectsApi()
    try:
        return api.get_namespaced_custom_object(GROUP, VERSION, namespace, "memberships", name)
    except client.ApiException as error:
        raise kopf.TemporaryError(f"Membership {name}: {error.reason}", delay=5) from error


def _ready(message: str) -> dict[str, str]:
    return {
        "type": "Ready",
        "status": "True",
        "reason": "Issued",
        "message": message,
        "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
