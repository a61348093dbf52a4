"""The ClusterRoles of the four roles, written from the table of capabilities."""

from collections.abc import Sequence
from typing import Any

from tenure.domain.admission.authority import REVOKE
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import CAPABILITIES, Level, Role

_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch", "delete")


def cluster_role_name(role: Role) -> str:
    """The name of a role's ClusterRole."""
    return f"tenure-{role.value.lower()}"


def cluster_roles() -> list[dict[str, Any]]:
    """The ClusterRoles, to be bound in an organization's namespace: an aggregating one a role, and its own rules.

    Whoever wants a role to open more in Kubernetes labels a ClusterRole of their own
    `tenure.dev/aggregate-to-<role>: "true"`.
    """
    return [body for role in Role for body in (_aggregate(role), _rules(role))]


def _aggregate(role: Role) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": cluster_role_name(role), "labels": {"app.kubernetes.io/part-of": "tenure"}},
        # Its rules are filled in by the cluster; an empty list here would be a conflict at each server-side apply.
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {_label(role): "true"}}]},
    }


def _rules(role: Role) -> dict[str, Any]:
    rules = [
        _rule([resource.plural for resource in KINDS], _READ),
        # Admission holds people to their own keys.
        _rule([ApiKey.plural], _WRITE),
    ]
    if role is Role.OWNER:
        grants = [f"grant-{given.value.lower()}" for given in Role]
        rules += [
            _rule([Membership.plural, Organization.plural], _WRITE),
            _rule([Organization.plural], grants),
            _rule([ApiKey.plural], [REVOKE]),
        ]
    for level, verbs in ((Level.FULL, ("*",)), (Level.VIEW, _READ)):
        opened = [f"{Organization.plural}/{name}" for name, reached in CAPABILITIES[role].items() if reached is level]
        if opened:
            rules.append(_rule(opened, verbs))
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": f"{cluster_role_name(role)}-rules",
            "labels": {"app.kubernetes.io/part-of": "tenure", _label(role): "true"},
        },
        "rules": rules,
    }


def _label(role: Role) -> str:
    return f"{GROUP}/aggregate-to-{role.value.lower()}"


def _rule(resources: Sequence[str], verbs: Sequence[str]) -> dict[str, Any]:
    return {"apiGroups": [GROUP], "resources": list(resources), "verbs": list(verbs)}
