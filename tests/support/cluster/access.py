"""What people and keys may do in Kubernetes, as the API server's authorizer says it."""

from collections.abc import Callable
from typing import Any

from support.cluster.world import World
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.access.cluster_roles import cluster_role_name
from tenure.domain.roles import Level, Role

Body = dict[str, Any]
Start = Callable[..., OperatorProcess]
"""Starts an operator; the fixture `start` says with what."""

PEOPLE = {"olga": Role.OWNER, "alice": Role.MEMBER, "anna": Role.ANALYST, "vic": Role.VIEWER}
PREFIX = "oidc:"
"""What the identity provider of these tests puts before names."""
VERBS = {Level.VIEW: "get", Level.FULL: "update"}
"""A verb that a capability of a level opens, and no lower one."""
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def giving(access: str) -> tuple[str, str]:
    """The options of an operator that gives so much access."""
    return f"--kubernetes-access={access}", f"--username-prefix={PREFIX}"


def may(
    world: World, verb: str, resource: str, name: str, *, user: str = "nobody", groups: list[str] | None = None
) -> bool:
    """Ask the API server's authorizer."""
    kind, _, sub = resource.partition("/")
    api_group = "" if kind == "secrets" else "tenure.dev"
    asked = {"group": api_group, "resource": kind, "subresource": sub, "verb": verb, "name": name}
    asked["namespace"] = world.api.namespace
    spec = {"user": user, "groups": ["system:authenticated", *(groups or [])], "resourceAttributes": asked}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(world.api.review(_REVIEWS, body)["status"]["allowed"])


def reads(world: World, person: str, *names: str) -> list[bool]:
    """Whether a person may read these Secrets."""
    return [may(world, "get", "secrets", name, user=user(person)) for name in names]


def user(person: str) -> str:
    """The name by which Kubernetes knows a person."""
    return f"{PREFIX}{person}@acme.io"


def wait_reads(world: World, person: str, name: str, *, wanted: bool = True) -> None:
    """Wait until a person may read a Secret, or may not."""
    eventually(
        lambda: reads(world, person, name) == [wanted], within=20, describe=f"{person} reads Secret {name}: {wanted}"
    )


def wait_role(world: World, person: str, role: Role | None) -> None:
    """Wait until a person is a subject of exactly this role's RoleBinding."""

    def held() -> list[Role]:
        return [one for one in Role if user(person) in subjects(world, one)]

    eventually(lambda: held() == ([] if role is None else [role]), within=20, describe=f"{person} holds {role}")


def subjects(world: World, role: Role) -> list[str]:
    """Who holds a role by its RoleBinding."""
    found = world.api.get("rolebindings", cluster_role_name(role))
    return [] if found is None else [subject["name"] for subject in found.get("subjects", [])]


def wait_condition(world: World, reason: str) -> Body:
    """Wait until the organization's RolesBound has this reason."""
    return world.wait_reason("acme", reason, plural="organizations", within=20, type_="RolesBound")


def of_own_keys(world: World) -> list[str]:
    """The Roles and RoleBindings of own keys that there are, as `roles/name`."""
    return [
        f"{plural}/{body['metadata']['name']}"
        for plural in ("roles", "rolebindings")
        for body in world.api.list(plural)
        if body["metadata"]["name"].startswith("tenure-keys-")
    ]
