"""Builds the members' access to Kubernetes: RoleBindings of the four roles, and a Role for each person's own keys.

Tenure recognizes its own Roles and RoleBindings by their controlling ownerReference, which names an Organization or a
Membership.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

from tenure.domain.access.cluster_roles import cluster_role_name
from tenure.domain.installation import Installation
from tenure.domain.invitations.state import awaits_acceptance
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import API_VERSION, GROUP
from tenure.domain.roles import Access, Role

RBAC_GROUP = "rbac.authorization.k8s.io"
RBAC_VERSION = f"{RBAC_GROUP}/v1"
LABELS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "tenure"}
"""Labels by which Tenure lists its own Roles and RoleBindings. They don't prove ownership."""

_NO_BACKUP: Mapping[str, str] = {"velero.io/exclude-from-backup": "true"}
"""Keeps the objects out of backups. A restored one would lack its owner and block the one that Tenure creates."""

_OWN_KEYS = "tenure-keys-"


class BoundKind(StrEnum):
    """The kinds of objects that give access to Kubernetes."""

    ROLE = "Role"
    ROLE_BINDING = "RoleBinding"

    @property
    def plural(self) -> str:
        """The resource's name in paths and rights."""
        return f"{self.value.lower()}s"


@dataclass(frozen=True)
class BindingState:
    """Whether an organization's members have their rights in Kubernetes, and if not the reason."""

    reason: Reason = Reason.BOUND
    message: str = "Members have their roles in this namespace."


@dataclass(frozen=True)
class Address:
    """The kind, the namespace and the name of a Role or RoleBinding."""

    kind: BoundKind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class RoleRef(NamedTuple):
    """The Role or ClusterRole that a RoleBinding binds, which can't be changed."""

    kind: str
    name: str


@dataclass(frozen=True)
class Desired:
    """A Role or RoleBinding as it should be.

    Attributes:
        content: The part that can be updated in place: a Role's `rules`, a RoleBinding's `subjects`.
        role: The role that a RoleBinding binds, or None for a Role.
    """

    address: Address
    owner: Resource
    content: Mapping[str, Any]
    role: RoleRef | None = None

    def to_body(self) -> dict[str, Any]:
        """Return the object as a body to create."""
        reference = {
            "apiVersion": API_VERSION,
            "kind": self.owner.kind,
            "name": self.owner.name,
            "uid": self.owner.metadata.uid,
            "controller": True,
        }
        return {
            "apiVersion": RBAC_VERSION,
            "kind": self.address.kind.value,
            "metadata": {
                "name": self.address.name,
                "namespace": self.address.namespace,
                "labels": {**LABELS, **_NO_BACKUP},
                "ownerReferences": [reference],
            },
            **self.content,
            **({} if self.role is None else {"roleRef": {"apiGroup": RBAC_GROUP, **self.role._asdict()}}),
        }


@dataclass(frozen=True)
class Observed:
    """A Role or RoleBinding as it was last read.

    Attributes:
        owner: Kind and uid of Tenure's object that controls it, or None if it isn't Tenure's.
        role: The role that a RoleBinding binds, or None for a Role.
        text: Its content, as `content_text` writes it.
        names: Names of the Secrets that it gives access to.
    """

    uid: str
    resource_version: str
    owner: tuple[str, str] | None
    role: RoleRef | None
    text: str
    names: frozenset[str]

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Parse an object as the API server sent it."""
        metadata = body["metadata"]
        owners = (
            (reference["kind"], reference["uid"])
            for reference in metadata.get("ownerReferences") or ()
            if reference.get("controller") and reference.get("apiVersion", "").startswith(f"{GROUP}/")
        )
        rules, subjects, role = body.get("rules") or [], body.get("subjects") or [], body.get("roleRef")
        return cls(
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            owner=next(owners, None),
            role=None if role is None else RoleRef(role["kind"], role["name"]),
            text=content_text({"rules": rules} if role is None else {"subjects": subjects}),
            names=frozenset(name for rule in rules for name in rule.get("resourceNames") or ()),
        )

    def serves(self, desired: Desired) -> bool:
        """Return whether it has the desired owner, proved by uid, and binds the desired role.

        Tenure never updates these two in place.
        """
        return self.owner == (desired.owner.kind, desired.owner.metadata.uid) and self.role == desired.role


def content_text(content: Mapping[str, Any]) -> str:
    """Return a Role's rules or a RoleBinding's subjects as one line of JSON. Equal contents give equal lines."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def group(namespace: str, role: Role | None = None, access: Access = Access.FULL) -> str:
    """Return the group of an organization's keys, or of those under one role, as a token review names it.

    Keys with `access: View` have a group of their own, so a binding to a role's group never lets them write.
    """
    parts = ["tenure", namespace, *([] if role is None else [role.value])]
    return ":".join([*parts, *([access.value] if access is Access.VIEW else [])])


def role_addresses(namespace: str) -> list[Address]:
    """Return the addresses of the RoleBindings of the four roles and of their View keys."""
    return [_role_address(namespace, role, access) for role in Role for access in Access]


def _role_address(namespace: str, role: Role, access: Access) -> Address:
    return Address(BoundKind.ROLE_BINDING, namespace, cluster_role_name(role, access))


def role_bindings(
    organization: Organization, members: Iterable[Membership], installation: Installation
) -> list[Desired]:
    """Return the RoleBindings of the four roles and of their View keys.

    `members` are those that have effect: neither deleted nor displaced by an older Membership of the same subject.
    Somebody who is suspended or hasn't accepted the invitation yet is in no RoleBinding.
    """
    people = [
        member
        for member in members
        if member.is_person and not organization.suspends(member.name) and not awaits_acceptance(member, organization)
    ]
    subjects = {
        (role, access): [
            _group(group(organization.namespace, role, access)),
            *(_users(people, role, installation) if access is Access.FULL else ()),
        ]
        for role in Role
        for access in Access
    }
    return [
        Desired(
            _role_address(organization.namespace, role, access),
            organization,
            {"subjects": bound},
            RoleRef("ClusterRole", cluster_role_name(role, access)),
        )
        for (role, access), bound in subjects.items()
    ]


def own_key_addresses(namespace: str, membership: str) -> list[Address]:
    """Return the addresses of the Role and the RoleBinding of a member's own keys."""
    return [Address(kind, namespace, f"{_OWN_KEYS}{membership}") for kind in BoundKind]


def own_keys_holder(address: Address) -> str:
    """Return the name of the Membership whose own keys the object at this address gives access to."""
    return address.name.removeprefix(_OWN_KEYS)


def is_of_own_keys(address: Address) -> bool:
    """Return whether the name of an address is that of a member's own keys."""
    return address.name.startswith(_OWN_KEYS)


def own_keys(membership: Membership, keys: Sequence[ApiKey], installation: Installation) -> list[Desired]:
    """Return the Role and the RoleBinding that let a person read the Secrets of these keys."""
    role, binding = own_key_addresses(membership.namespace, membership.name)
    names = sorted(key.name for key in keys)
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]}
    return [
        # A rule without resourceNames would give access to every Secret.
        Desired(role, membership, {"rules": [rule] if names else []}),
        Desired(
            binding,
            membership,
            {"subjects": [_user(installation.username(membership.spec.subject.name))]},
            RoleRef("Role", role.name),
        ),
    ]


def _users(people: Sequence[Membership], role: Role, installation: Installation) -> list[dict[str, str]]:
    names = {installation.username(member.spec.subject.name) for member in people if member.spec.role is role}
    return [_user(name) for name in sorted(names)]


def _user(name: str) -> dict[str, str]:
    return {"apiGroup": RBAC_GROUP, "kind": "User", "name": name}


def _group(name: str) -> dict[str, str]:
    return {"apiGroup": RBAC_GROUP, "kind": "Group", "name": name}
