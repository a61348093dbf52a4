"""What members may do in Kubernetes: RoleBindings of the four roles, and a Role for each person's own keys.

Objects of `rbac.authorization.k8s.io` are told from others' by their controller: an Organization or a Membership.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

from tenure.domain.access.cluster_roles import cluster_role_name
from tenure.domain.installation import Installation
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import API_VERSION, GROUP
from tenure.domain.roles import Access, Role

RBAC_GROUP = "rbac.authorization.k8s.io"
RBAC_VERSION = f"{RBAC_GROUP}/v1"
LABELS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "tenure"}
"""Labels by which our own Roles and RoleBindings are listed; they prove nothing."""

_NO_BACKUP: Mapping[str, str] = {"velero.io/exclude-from-backup": "true"}
"""Out of a backup they would come back without their owner, in the way of those that are made anew."""

_OWN_KEYS = "tenure-keys-"


class BoundKind(StrEnum):
    """The kinds of objects that give access."""

    ROLE = "Role"
    ROLE_BINDING = "RoleBinding"

    @property
    def plural(self) -> str:
        """The resource's name in paths and rights."""
        return f"{self.value.lower()}s"


@dataclass(frozen=True)
class BindingState:
    """Whether an organization's members hold in Kubernetes what they should, or what is in the way."""

    reason: Reason = Reason.BOUND
    message: str = "Members have their roles in this namespace."


@dataclass(frozen=True)
class Address:
    """Where a Role or RoleBinding is."""

    kind: BoundKind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class RoleRef(NamedTuple):
    """What a RoleBinding binds, for good: a Role, or a ClusterRole."""

    kind: str
    name: str


@dataclass(frozen=True)
class Wanted:
    """A Role or RoleBinding as it should be.

    Attributes:
        content: What may change in place: a Role's `rules`, a RoleBinding's `subjects`.
        role: What a RoleBinding binds; None for a Role.
    """

    address: Address
    owner: Resource
    content: Mapping[str, Any]
    role: RoleRef | None = None

    def to_body(self) -> dict[str, Any]:
        """The object as a body to create."""
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
class Held:
    """A Role or RoleBinding as it was last read.

    Attributes:
        owner: kind and uid of the object of ours that controls it; None: it isn't ours.
        role: What a RoleBinding binds; None for a Role.
        text: Its content, as `content_text` writes it.
        names: The Secrets that it opens.
    """

    uid: str
    resource_version: str
    owner: tuple[str, str] | None
    role: RoleRef | None
    text: str
    names: frozenset[str]

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read what matters off an object as the API server sent it."""
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

    def serves(self, wanted: Wanted) -> bool:
        """Whether it is this very owner's, proved by uid, and binds this very role: both stay for good."""
        return self.owner == (wanted.owner.kind, wanted.owner.metadata.uid) and self.role == wanted.role


def content_text(content: Mapping[str, Any]) -> str:
    """A Role's rules or a RoleBinding's subjects as one line; equal contents give equal lines."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def group(namespace: str, role: Role | None = None, access: Access = Access.FULL) -> str:
    """The group of an organization's keys, or of those under one role, as a token review names them.

    Keys with `access: View` have a group of their own, so that what is bound to a role's group never lets them write.
    """
    parts = ["tenure", namespace, *([] if role is None else [role.value])]
    return ":".join([*parts, *([access.value] if access is Access.VIEW else [])])


def role_addresses(namespace: str) -> list[Address]:
    """Where the RoleBindings of the four roles are, and of their View keys."""
    return [_role_address(namespace, role, access) for role in Role for access in Access]


def _role_address(namespace: str, role: Role, access: Access) -> Address:
    return Address(BoundKind.ROLE_BINDING, namespace, cluster_role_name(role, access))


def role_bindings(
    organization: Organization, members: Iterable[Membership], installation: Installation
) -> list[Wanted]:
    """The RoleBindings of the four roles, and of their View keys.

    `members` have effect: neither deleted nor displaced by a namesake. A suspended one is in none.
    """
    people = [member for member in members if member.is_person and not organization.suspends(member.name)]
    subjects = {
        (role, access): [
            _group(group(organization.namespace, role, access)),
            *(_users(people, role, installation) if access is Access.FULL else ()),
        ]
        for role in Role
        for access in Access
    }
    return [
        Wanted(
            _role_address(organization.namespace, role, access),
            organization,
            {"subjects": bound},
            RoleRef("ClusterRole", cluster_role_name(role, access)),
        )
        for (role, access), bound in subjects.items()
    ]


def own_key_addresses(namespace: str, membership: str) -> list[Address]:
    """Where the Role and the RoleBinding of a member's own keys are."""
    return [Address(kind, namespace, f"{_OWN_KEYS}{membership}") for kind in BoundKind]


def own_keys_holder(address: Address) -> str:
    """The Membership whose own keys an object opens, by its name."""
    return address.name.removeprefix(_OWN_KEYS)


def is_of_own_keys(address: Address) -> bool:
    """Whether an address is one of a member's own keys, by its name."""
    return address.name.startswith(_OWN_KEYS)


def own_keys(membership: Membership, keys: Sequence[ApiKey], installation: Installation) -> list[Wanted]:
    """The Role and the RoleBinding by which a person reads the Secrets of these keys."""
    role, binding = own_key_addresses(membership.namespace, membership.name)
    names = sorted(key.name for key in keys)
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]}
    return [
        # A rule without names would open every Secret.
        Wanted(role, membership, {"rules": [rule] if names else []}),
        Wanted(
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
