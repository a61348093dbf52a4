"""Whoever makes requests: members with the roles' ClusterRoles, outsiders, administrators, GitOps tools."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from support.api.client import Client
from support.objects import manifests
from support.run.eventually import eventually
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import Role
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]

RBAC = "rbac.authorization.k8s.io"
KINDS = ("organizations", "memberships", "apikeys")
PLAIN_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")

ALL_GRANTS = frozenset(Role)
NO_GRANTS: frozenset[Role] = frozenset()

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@dataclass(frozen=True)
class Person:
    """Somebody who makes requests."""

    title: str
    user: str
    grants: frozenset[Role] = NO_GRANTS
    """The roles that they may give and take away."""

    role: Role | None = None
    """Their own role in the organization, by which their ClusterRole is bound."""

    group: str = ""
    """A group of theirs; an administrator's needs no binding."""

    revokes: bool = False
    """Whether they may delete keys, whosever they are."""

    def __str__(self) -> str:
        return self.title

    @property
    def member(self) -> str:
        """The name of their Membership, if they have one."""
        return self.user.partition("@")[0]

    def at(self, client: Client) -> Client:
        """The client's namespace as they see it."""
        seen = client.as_user(self.user, *filter(None, [self.group]))
        assert isinstance(seen, Client)
        return seen


OWNER = Person("Owner", "olga@acme.io", ALL_GRANTS, Role.OWNER, revokes=True)
MEMBER = Person("Member", "mia@acme.io", role=Role.MEMBER)
ANALYST = Person("Analyst", "anna@acme.io", role=Role.ANALYST)
VIEWER = Person("Viewer", "vic@acme.io", role=Role.VIEWER)
OUTSIDER = Person("outsider", "otto@elsewhere.example")
ADMINISTRATOR = Person("system-masters", "root@elsewhere.example", ALL_GRANTS, group="system:masters", revokes=True)
GITOPS = Person("GitOps", "system:serviceaccount:argocd:argocd-application-controller", ALL_GRANTS)
LIMITED_GITOPS = Person(
    "GitOps-without-grant-owner",
    "system:serviceaccount:flux-system:kustomize-controller",
    ALL_GRANTS - {Role.OWNER},
)

PEOPLE = (OWNER, MEMBER, ANALYST, VIEWER, OUTSIDER, ADMINISTRATOR, GITOPS, LIMITED_GITOPS)
MEMBERS = tuple(person for person in PEOPLE if person.role is not None)


def verb(role: Role) -> str:
    """The virtual verb that gives and takes a role."""
    return f"grant-{role.lower()}"


def plain() -> Body:
    """All that Kubernetes itself asks for to write the three kinds, so that admission is what decides."""
    return rule(KINDS, PLAIN_VERBS)


def rule(resources: Iterable[str], verbs: Iterable[str], *names: str) -> Body:
    """A rule of Tenure's group."""
    named: Body = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [GROUP], "resources": list(resources), "verbs": list(verbs), **named}


def granting(roles: Iterable[Role], organization: str = "acme") -> Body:
    """A rule that lets its holder give and take these roles in one organization."""
    return rule(["organizations"], map(verb, sorted(roles)), organization)


def subject(name: str, kind: str = "User") -> Body:
    """A user or group, as a binding names it."""
    return {"apiGroup": RBAC, "kind": kind, "name": name}


def bind(plane: ControlPlane, namespace: str, name: str, subjects: Sequence[Body], *rules: Body) -> None:
    """Make a Role of these rules and bind it."""
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": name}, "rules": list(rules)}
    _apply(plane, namespace, role, _binding(name, "Role", name, subjects))


def bind_everywhere(plane: ControlPlane, name: str, subjects: Sequence[Body], *rules: Body) -> None:
    """Make a ClusterRole of these rules and bind it in all namespaces."""
    kinds = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name}}
    role = {**kinds, "kind": "ClusterRole", "rules": list(rules)}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    binding = {**kinds, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": list(subjects)}
    _apply(plane, "default", role, binding)


def bind_people(plane: ControlPlane, namespace: str, people: Sequence[Person] = PEOPLE) -> None:
    """Give everybody their rights in a namespace, and wait until the API server knows of them."""
    bound = [person for person in people if not person.group]
    bodies = [
        _binding(f"role-{person.member}", "ClusterRole", f"tenure-{person.role.lower()}", [subject(person.user)])
        for person in bound
        if person.role is not None
    ]
    _apply(plane, namespace, *bodies)
    bind(plane, namespace, "plain", [subject(person.user) for person in bound], plain())
    for number, person in enumerate(one for one in bound if one.role is None and one.grants):
        bind(plane, namespace, f"grants-{number}", [subject(person.user)], granting(person.grants))
    client = Client(plane, namespace)
    for person in bound:
        wait_permitted(client, person.user, "deletecollection", "memberships")
        for role in person.grants:
            wait_permitted(client, person.user, verb(role), "organizations")
    client.close()


def wait_permitted(
    client: Client, user: str, verb: str, resource: str, name: str = "acme", *, groups: Sequence[str] = ()
) -> None:
    """Wait until the API server's authorizer knows of a grant."""
    eventually(
        lambda: is_permitted(client, user, verb, resource, name, groups=groups),
        within=30,
        describe=f"{user} may {verb} {resource}",
    )


def is_permitted(
    client: Client, user: str, verb: str, resource: str, name: str = "acme", *, groups: Sequence[str] = ()
) -> bool:
    """Whether the API server lets somebody do something to an object of Tenure's."""
    asked, _, sub = resource.partition("/")
    attributes = {
        "group": GROUP,
        "resource": asked,
        "subresource": sub,
        "verb": verb,
        "namespace": client.namespace,
        "name": name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": ["system:authenticated", *groups], "resourceAttributes": attributes},
    }
    return bool(client.post(_REVIEWS, body)["status"]["allowed"])


def memberships(people: Iterable[Person] = MEMBERS) -> list[Body]:
    """The Memberships of those who have a role."""
    return [manifests.member(person.member, person.role) for person in people if person.role is not None]


def _binding(name: str, kind: str, role: str, subjects: Sequence[Body]) -> Body:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": list(subjects),
    }


def _apply(plane: ControlPlane, namespace: str, *bodies: Body) -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
    plane.kubectl(f"--namespace={namespace}", "apply", "--filename=-", input=json.dumps(document))
