"""The ValidatingWebhookConfiguration that belongs to the handlers, written from their registry."""

from collections.abc import Mapping
from typing import Any

import kopf

from tenure.admission.kopf_handlers import register
from tenure.admission.reader import Context
from tenure.domain.installation import DEFAULTS
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import GROUP
from tenure.kube.names import WEBHOOK_CONFIGURATION

SERVICE = "tenure-webhook"
NAMESPACE = "tenure-system"
TIMEOUT_SECONDS = 5

_CLEANERS = (
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    # Both, where the controller manager has one identity for all its controllers.
    "system:kube-controller-manager",
)
_NOT_CLEANUP = {
    "name": "not-the-clusters-clean-up",
    "expression": f"request.operation == 'CREATE' || !(request.userInfo.username in {list(_CLEANERS)!r})",
}
_NOT_REVOCATION = {
    "name": "not-a-revocation",
    "expression": (
        "request.operation != 'DELETE' || "
        f"!authorizer.group('{GROUP}').resource('{ApiKey.plural}').namespace(oldObject.metadata.namespace)"
        ".name(oldObject.metadata.name).check('revoke').allowed()"
    ),
}


def webhook_configuration() -> dict[str, Any]:
    """The configuration, for the Service `tenure-webhook`; without a caBundle, which somebody else fills in."""
    registry = kopf.OperatorRegistry()
    register(registry, Context(cluster=None, installation=DEFAULTS, system_namespace="", request_seconds=0))  # type: ignore[arg-type]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {
            "name": WEBHOOK_CONFIGURATION,
            "labels": {"app.kubernetes.io/name": "tenure", "app.kubernetes.io/part-of": "tenure"},
        },
        # Kopf has no public way to list its handlers.
        "webhooks": [_webhook(handler) for handler in registry._webhooks.get_all_handlers()],  # noqa: SLF001
    }


def _webhook(handler: Any) -> Mapping[str, Any]:
    resource = handler.selector
    conditions = [_NOT_CLEANUP]
    if resource.any_name == ApiKey.plural:
        conditions.append(_NOT_REVOCATION)
    return {
        "name": f"{handler.id}.{GROUP}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": SERVICE, "namespace": NAMESPACE, "path": f"/{handler.id}"}},
        "rules": [
            {
                "apiGroups": [resource.group],
                "apiVersions": [resource.version],
                "resources": [resource.any_name],
                "operations": list(handler.operations),
                "scope": "Namespaced",
            }
        ],
        "matchConditions": conditions,
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "NoneOnDryRun" if handler.side_effects else "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }
