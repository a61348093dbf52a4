"""Manifests as people write them: small, without what they needn't say."""

from typing import Any

from tenure.domain.resources.base import API_VERSION

RBAC = "rbac.authorization.k8s.io"
Body = dict[str, Any]

DOMAIN = "acme.io"

_GIVEN = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "namespace")


def organization(name: str = "acme", **spec: Any) -> Body:
    """An Organization's manifest."""
    return _manifest("Organization", name, spec)


def member(name: str, role: str = "Member", *, organization: str = "acme") -> Body:
    """A person's Membership."""
    subject = {"kind": "User", "name": f"{name}@{DOMAIN}"}
    return _manifest("Membership", name, {"organization": organization, "subject": subject, "role": role})


def service_account(name: str, role: str = "Member", *, organization: str = "acme") -> Body:
    """A service account's Membership."""
    subject = {"kind": "ServiceAccount", "name": name}
    return _manifest("Membership", name, {"organization": organization, "subject": subject, "role": role})


def api_key(name: str, membership: str, **spec: Any) -> Body:
    """An ApiKey's manifest, with access Full unless said otherwise."""
    return _manifest("ApiKey", name, {"membership": membership, "access": "Full", **spec})


def secret(name: str, text: str = "somebody else's", **metadata: Any) -> Body:
    """A Secret's manifest, such as somebody else's under a key's name."""
    metadata = {"name": name, **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": text}}


def role(name: str) -> Body:
    """A Role's manifest, which gives nothing."""
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": name}, "rules": []}


def role_binding(name: str) -> Body:
    """A RoleBinding's manifest, such as somebody else's under a name of ours."""
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
    return {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": name}, "roleRef": reference}


def held(body: Body) -> Body:
    """The manifest with somebody else's finalizer, which keeps the object while it is being deleted."""
    return {**body, "metadata": {**body["metadata"], "finalizers": ["example.com/held"]}}


def marked(body: Body, *, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Body:
    """The manifest with labels and annotations, such as those of a GitOps tool."""
    metadata = {**body["metadata"], "labels": labels or {}, "annotations": annotations or {}}
    return {**body, "metadata": metadata}


def manifest(stored: Body) -> Body:
    """An object as a backup keeps it: without its status and what the API server gave it."""
    metadata = {key: value for key, value in stored["metadata"].items() if key not in _GIVEN}
    return {key: value for key, value in stored.items() if key != "status"} | {"metadata": metadata}


def _manifest(kind: str, name: str, spec: Body) -> Body:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
