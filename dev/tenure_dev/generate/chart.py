"""The chart's generated files: definitions, roles, rules and the webhook configuration, as data for its templates."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tenure.admission.configuration import webhook_configuration
from tenure.domain.access.cluster_roles import cluster_roles
from tenure.domain.resources import KINDS
from tenure.domain.schema import custom_resource_definition
from tenure.kube.rights import (
    ADMISSION_RIGHTS,
    AUTHORITY_RIGHTS,
    CALLER_RIGHTS,
    CLUSTER_RIGHTS,
    CLUSTER_ROLE_RIGHTS,
    DEFINITION_RIGHTS,
    ELECTION_RIGHTS,
    OWN_KEYS_RIGHTS,
    REGISTRATION_RIGHTS,
    RIGHTS,
    ROLE_BINDING_RIGHTS,
    SYSTEM_RIGHTS,
    TRUST_RIGHTS,
    VERIFIER_RIGHTS,
    Right,
)

FILES = Path("helm", "tenure", "files")


def chart_data() -> Mapping[Path, Mapping[str, Any]]:
    """Path below the checkout and content of every generated file of the chart."""
    definitions = {
        FILES / "crds" / f"{resource.plural}.yaml": custom_resource_definition(resource) for resource in KINDS
    }
    return {
        **definitions,
        FILES / "roles.yaml": {"items": cluster_roles()},
        FILES / "webhooks.yaml": webhook_configuration(),
        FILES / "rules.yaml": _rules(),
    }


def _rules() -> Mapping[str, Any]:
    """What each half needs: in the cluster, in each namespace that it serves, and in Tenure's own."""
    return {
        "controller": {
            "cluster": _as_rules(DEFINITION_RIGHTS),
            "namespaces": _as_rules(RIGHTS),
            "system": _as_rules(ELECTION_RIGHTS),
            "roles": {"cluster": _as_rules(CLUSTER_ROLE_RIGHTS), "namespaces": _as_rules(ROLE_BINDING_RIGHTS)},
            "ownKeys": {"namespaces": _as_rules(OWN_KEYS_RIGHTS)},
        },
        "webhook": {
            "cluster": _as_rules((*DEFINITION_RIGHTS, *CLUSTER_RIGHTS, *REGISTRATION_RIGHTS)),
            "namespaces": _as_rules(ADMISSION_RIGHTS),
            "system": _as_rules(SYSTEM_RIGHTS),
            "ownAuthority": {"cluster": _as_rules(TRUST_RIGHTS), "system": _as_rules(AUTHORITY_RIGHTS)},
        },
        "verifier": {
            "cluster": _as_rules((*DEFINITION_RIGHTS, *CALLER_RIGHTS)),
            "namespaces": _as_rules(VERIFIER_RIGHTS),
        },
    }


def _as_rules(rights: Iterable[Right]) -> list[dict[str, Any]]:
    return [right.to_rule() for right in rights]
