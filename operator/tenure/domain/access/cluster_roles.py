"""Builds the ClusterRoles of the four roles from the table of capabilities."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tenure.domain.permissions import REVOKE
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import Access, Level, Role, capabilities

_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch", "delete")


def cluster_role_name(role: Role, access: Access = Access.FULL) -> str:
    """Return the name of a role's ClusterRole, or of the one for its View keys."""
    return f"tenure-{role.value.lower()}" + ("-view" if access is Access.VIEW else "")


def cluster_roles() -> list[dict[str, Any]]:
    """Return the ClusterRoles that are bound in an organization's namespace.

    Each role has an aggregating one, one with the role's own rules, and one for its View keys. To give a role more
    rights in Kubernetes, you label a ClusterRole of your own `tenure.dev/aggregate-to-<role>: "true"`. View keys don't
    get these rights, because they may include writes.
    """
    return [body for role in Role for body in (_aggregate(role), _full(role), _view(role))]


def _aggregate(role: Role) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": cluster_role_name(role), "labels": {"app.kubernetes.io/part-of": "tenure"}},
        # The cluster fills in the rules. An empty list here would be a conflict at each server-side apply.
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {_label(role): "true"}}]},
    }


def _full(role: Role) -> dict[str, Any]:
    # The webhook restricts people to their own keys.
    rules = [_read_all(), _rule([ApiKey.plural], _WRITE)]
    if role is Role.OWNER:
        grants = [f"grant-{given.value.lower()}" for given in Role]
        rules += [
            _rule([Membership.plural, Organization.plural], _WRITE),
            _rule([Organization.plural], grants),
            _rule([ApiKey.plural], [REVOKE]),
        ]
    return _cluster_role(
        f"{cluster_role_name(role)}-rules", [*rules, *_capabilities(role, Access.FULL)], {_label(role): "true"}
    )


def _view(role: Role) -> dict[str, Any]:
    return _cluster_role(cluster_role_name(role, Access.VIEW), [_read_all(), *_capabilities(role, Access.VIEW)])


def _cluster_role(
    name: str, rules: Sequence[Mapping[str, Any]], labels: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "tenure", **labels}},
        "rules": list(rules),
    }


def _read_all() -> dict[str, Any]:
    return _rule([resource.plural for resource in KINDS], _READ)


def _capabilities(role: Role, access: Access) -> Iterator[dict[str, Any]]:
    """Yield rules for the capabilities as virtual subresources. Full is every verb, and View the verbs that read."""
    levels = capabilities(role, access)
    for level, verbs in ((Level.FULL, ("*",)), (Level.VIEW, _READ)):
        opened = [f"{Organization.plural}/{name}" for name, reached in levels.items() if reached is level]
        if opened:
            yield _rule(opened, verbs)


def _label(role: Role) -> str:
    return f"{GROUP}/aggregate-to-{role.value.lower()}"


def _rule(resources: Sequence[str], verbs: Sequence[str]) -> dict[str, Any]:
    return {"apiGroups": [GROUP], "resources": list(resources), "verbs": list(verbs)}
