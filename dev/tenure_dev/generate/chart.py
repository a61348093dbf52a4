"""The chart's generated files: CRDs, ClusterRoles, rules and the webhook configuration, as data for its templates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenure.admission.configuration import webhook_configuration
from tenure.domain.access.cluster_roles import cluster_roles
from tenure.domain.resources import KINDS
from tenure.domain.schema import custom_resource_definition
from tenure.kube.right import Group
from tenure.kube.rights import groups_of
from tenure.observability.metrics import Component

FILES = Path("helm", "tenure", "files")


def chart_data() -> Mapping[Path, Mapping[str, Any]]:
    """Return the path below the checkout and the content of each generated file of the chart."""
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
    """Return the rights of each program, with the place and the chart's value for which it needs them."""
    return {program.value: [_group(group) for group in groups_of(program)] for program in Component}


def _group(group: Group) -> Mapping[str, Any]:
    decided = [{"value": when.value, "among": [*when.among]} for when in group.when.parts if when.value]
    when = {"when": decided} if decided else {}
    return {"place": group.place.value, **when, "rules": [right.to_rule() for right in group.rights]}
