"""The ValidatingWebhookConfiguration, which sends the changes of each kind to a path of its own."""

from collections.abc import Mapping
from typing import Any

from tenure.domain.resources import KINDS, ApiKey, Membership, Resource
from tenure.domain.resources.base import GROUP, VERSION
from tenure.kube.names import WEBHOOK_CONFIGURATION

SERVICE = "tenure-webhook"
NAMESPACE = "tenure-system"
TIMEOUT_SECONDS = 5

_CLEANERS = (
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    # Both of them, if the controller manager runs all its controllers with one identity.
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
    """Return the configuration for the Service `tenure-webhook`.

    It has no caBundle, because Tenure's own authority or a program such as cert-manager fills it in.
    """
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {
            "name": WEBHOOK_CONFIGURATION,
            "labels": {"app.kubernetes.io/name": "tenure", "app.kubernetes.io/part-of": "tenure"},
        },
        "webhooks": [_webhook(resource) for resource in KINDS],
    }


def _webhook(resource: type[Resource]) -> Mapping[str, Any]:
    conditions = [_NOT_CLEANUP]
    if resource is ApiKey:
        conditions.append(_NOT_REVOCATION)
    return {
        "name": f"{resource.plural}.{GROUP}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": SERVICE, "namespace": NAMESPACE, "path": f"/{resource.plural}"}},
        "rules": [
            {
                "apiGroups": [GROUP],
                "apiVersions": [VERSION],
                "resources": [resource.plural],
                "operations": ["CREATE", "UPDATE", "DELETE"],
                "scope": "Namespaced",
            }
        ],
        "matchConditions": conditions,
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "NoneOnDryRun" if resource is Membership else "None",  # It may take the owners' Lease.
        "timeoutSeconds": TIMEOUT_SECONDS,
    }
