"""Check that nobody rewrote the ValidatingWebhookConfiguration, which decides what the webhook judges."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tenure.admission.configuration import webhook_configuration
from tenure.errors import TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.names import WEBHOOK_CONFIGURATION
from tenure.kube.webhooks import Registration, read_registration
from tenure.observability.catalogue import REGISTRATION_ALTERED
from tenure.observability.metrics import Reading

log = logging.getLogger("tenure.admission")

LOOK_SECONDS = 60.0
"""Interval of the checks."""

_RESTORE = "Restore it with helm upgrade, or kubectl apply --server-side --force-conflicts -f manifests/webhooks.yaml"
_FIELDS = ("failurePolicy", "namespaceSelector", "objectSelector", "rules", "matchConditions", "matchPolicy")
_DEFAULTS: Mapping[str, Any] = {"namespaceSelector": {}, "objectSelector": {}, "matchConditions": []}


def find_alterations(registration: Registration | None, namespaces: Sequence[str]) -> str:
    """Return how the stored configuration differs from the one that Tenure installs, for people, or an empty text.

    Only the fields are compared that decide which changes are judged. With `namespaces`, a selector of them is fine.
    """
    if registration is None:
        return "it was deleted"
    found = []
    for own in webhook_configuration()["webhooks"]:
        stored = registration.webhooks.get(own["name"])
        if stored is None:
            found.append(f"{own['name']} is missing")
            continue
        changed = [field for field in _FIELDS if not _is_own(field, own, stored, namespaces)]
        if changed:
            found.append(f"{own['name']} has another {', '.join(changed)}")
    return "; ".join(found)


def _is_own(field: str, own: Mapping[str, Any], stored: Mapping[str, Any], namespaces: Sequence[str]) -> bool:
    value, default = stored.get(field), _DEFAULTS.get(field)
    allowed = [own.get(field, default)]
    if field == "namespaceSelector" and namespaces:
        names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
        allowed.append({"matchExpressions": [names]})
    return (default if value is None else value) in allowed


class RegistrationCheck:
    """Compares the stored configuration with Tenure's own once a minute."""

    def __init__(self, cluster: Cluster, namespaces: Sequence[str]) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._alterations: str | None = None

    def measure(self) -> list[Reading]:
        """Return whether it was altered, once that is known."""
        return [] if self._alterations is None else [Reading(REGISTRATION_ALTERED, bool(self._alterations))]

    async def watch(self) -> None:
        """Compare again and again, until the task is cancelled."""
        while True:
            try:
                self._compare(await read_registration(self._cluster))
            except TenureError as error:
                log.warning("Can't check ValidatingWebhookConfiguration %s now: %s", WEBHOOK_CONFIGURATION, error)
            except Exception:  # An error in one look must not prevent the next one. It is logged with its traceback.
                log.exception("Can't check ValidatingWebhookConfiguration %s", WEBHOOK_CONFIGURATION)
            await asyncio.sleep(LOOK_SECONDS)

    def _compare(self, registration: Registration | None) -> None:
        before, self._alterations = self._alterations, find_alterations(registration, self._namespaces)
        if self._alterations == before:
            return
        if self._alterations:
            log.error(
                "Someone rewrote ValidatingWebhookConfiguration %s, so the API server may store changes without a "
                "check: %s. %s",
                WEBHOOK_CONFIGURATION,
                self._alterations,
                _RESTORE,
            )
        elif before:
            log.info("ValidatingWebhookConfiguration %s is as Tenure installs it again", WEBHOOK_CONFIGURATION)
