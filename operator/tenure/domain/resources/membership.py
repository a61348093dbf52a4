"""Membership: a person or a service account in an organization, with a role."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field, model_validator

from tenure.domain.policy import MAX_KEYS_PER_MEMBER
from tenure.domain.resources.base import (
    NAME_LENGTH,
    Column,
    Condition,
    DateTime,
    Model,
    Name,
    Resource,
    Rule,
    list_map,
)
from tenure.domain.roles import Access, Role

MAX_LISTED_KEYS = 50
"""How many working keys a Membership's status lists by name."""

_EMAIL = r"^[a-z0-9][a-z0-9._%+-]*@[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$"
_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


class SubjectKind(StrEnum):
    """What a member is."""

    USER = "User"
    SERVICE_ACCOUNT = "ServiceAccount"


class Subject(Model):
    """Who the member is."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            f"self.kind != 'User' || self.name.matches(r'{_EMAIL}')",
            "subject.name: a User is named by an e-mail address in lower-case ASCII, such as alice@acme.io",
            field=".name",
        ),
        Rule(
            f"self.kind != 'ServiceAccount' || (size(self.name) <= 63 && self.name.matches(r'{_LABEL}'))",
            "subject.name: a ServiceAccount is named by at most 63 lower-case letters, digits and dashes, "
            "such as ci-deploy",
            field=".name",
        ),
    )

    kind: SubjectKind
    """User is a person: a change of role ends their keys. ServiceAccount is a program of Tenure's own notion, not a
    Kubernetes ServiceAccount: its keys survive role changes and follow the live role. It can't be Owner."""

    name: str = Field(min_length=1, max_length=254)
    """A person's e-mail address in lower case, or a service account's name."""


class MembershipSpec(Model):
    """Who belongs to which organization, with which role.

    These three fields, for good: `role` is the only one that changes, so that metadata.generation counts role
    changes. Anything new goes elsewhere.
    """

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            "self.organization == oldSelf.organization",
            "organization: never changes; delete the Membership and create another one",
            field=".organization",
            reason="FieldValueForbidden",
        ),
        Rule(
            "self.subject == oldSelf.subject",
            "subject: never changes; create another Membership for another subject",
            field=".subject",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!(self.subject.kind == 'ServiceAccount' && self.role == 'Owner')",
            "role: a ServiceAccount can't be Owner; allowed: Member, Analyst, Viewer",
            field=".role",
        ),
    )

    organization: Name
    """Name of the Organization in the same namespace. Never changes."""

    subject: Subject
    """Who the member is. Never changes."""

    role: Role
    """Owner, Member, Analyst or Viewer. Changing it ends every key of a person at once, even when it is changed back;
    a service account's keys go on with the new role's capabilities."""


class Fate(StrEnum):
    """What became of a key's ApiKey object when the role changed; its token is dead in any case."""

    DELETED = "Deleted"
    REVOKED = "Revoked"
    REISSUED = "Reissued"


class EndedKey(Model):
    """A key that a role change ended."""

    name: str = Field(max_length=NAME_LENGTH)
    """Name of the ApiKey."""

    key_id: str = Field(max_length=32)
    """The public id of the token that died."""

    fate: Fate
    """Deleted: the ApiKey was deleted. Revoked: it stays, with Ready=False. Reissued: its forRole names the new role,
    so it got a new token."""


class RoleChange(Model):
    """A change of role, and what it ended."""

    from_role: Role = Field(alias="from")
    """The role before, as Tenure last saw it."""

    to_role: Role = Field(alias="to")
    """The role since then. It is the one before where the role was changed and changed back in between."""

    generation: int
    """The metadata.generation that the change led to."""

    at: DateTime
    """When Tenure saw the change; the keys were dead from the moment at which it was stored."""

    field_manager: str | None = Field(default=None, max_length=128)
    """The field manager that set the role, as the API server recorded it, such as argocd-controller."""

    key_count: int
    """How many keys it ended."""

    keys: list[EndedKey] = Field(default_factory=list, max_length=MAX_KEYS_PER_MEMBER)
    """The keys that it ended, by name."""


class ListedKey(Model):
    """A working key of the member."""

    name: str = Field(max_length=NAME_LENGTH)
    """Name of the ApiKey."""

    key_id: str = Field(max_length=32)
    """The public id of its token."""

    access: Access
    """Full or View."""

    issued_at: DateTime | None = None
    """When its token was issued."""

    expires_at: DateTime | None = None
    """When its token ends; left out where it never does."""

    for_role: Role | None = None
    """The role for which it was approved, where it names one."""


class WaitingKey(Model):
    """A key that waits for another role of the member."""

    name: str = Field(max_length=NAME_LENGTH)
    """Name of the ApiKey."""

    for_role: Role
    """The role under which it will be issued."""


class CapabilityLevels(Model):
    """What the role opens: None, View or Full for each capability."""

    clusters: str = Field(max_length=8)
    """Cluster management."""

    billing: str = Field(max_length=8)
    """Billing access."""

    costs: str = Field(max_length=8)
    """Cost monitoring."""

    organization: str = Field(max_length=8)
    """Organization management."""

    members: str = Field(max_length=8)
    """Inviting and removing members."""


class MembershipStatus(Model):
    """What Tenure saw and did; only the operator writes it."""

    observed_generation: int = -1
    """The metadata.generation that this status speaks of; -1: not reconciled yet."""

    conditions: list[Condition] = Field(default_factory=list, json_schema_extra=list_map("type"))
    """Ready says whether the membership is in force."""

    role: Role | None = None
    """The role in force."""

    username: str | None = Field(default=None, max_length=512)
    """The name by which Kubernetes knows the member."""

    capabilities: CapabilityLevels | None = None
    """What the role opens."""

    key_count: int | None = None
    """How many keys of the member work."""

    keys: list[ListedKey] | None = Field(default=None, max_length=MAX_LISTED_KEYS)
    """The working keys; the first 50 by name."""

    waiting_keys: list[WaitingKey] | None = Field(default=None, max_length=MAX_LISTED_KEYS)
    """Keys whose forRole names another role: they are issued once the member holds it; the first 50 by name."""

    last_role_change: RoleChange | None = None
    """The latest change of role, and the keys that it ended."""


def _role_manager(fields: Any) -> str | None:
    """The latest field manager that owns `spec.role`."""
    owners = [
        entry
        for entry in fields or ()
        if "f:role" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}) and not entry.get("subresource")
    ]
    latest = max(owners, key=lambda entry: entry.get("time") or "", default=None)
    return None if latest is None else latest.get("manager")


class Membership(Resource):
    """A person or a service account in an organization, with a role."""

    kind: ClassVar[str] = "Membership"
    plural: ClassVar[str] = "memberships"
    short_name: ClassVar[str] = "mbr"
    description: ClassVar[str] = (
        "A Membership says who belongs to an organization, with which role. Changing the role of a person ends every "
        "key of that person, and of nobody else."
    )
    columns: ClassVar[Sequence[Column]] = (
        Column("Role", ".spec.role", "The member's role"),
        Column("Subject", ".spec.subject.name", "Who the member is"),
        Column("Keys", ".status.keyCount", "How many keys work", "integer"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the membership is in force"),
        Column("Age", ".metadata.creationTimestamp", "Since when it exists", "date"),
        Column("Kind", ".spec.subject.kind", "User or ServiceAccount", wide=True),
        Column("Username", ".status.username", "The name by which Kubernetes knows the member", wide=True),
        Column("Last-Change", ".status.lastRoleChange.at", "When the role last changed", wide=True),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not", wide=True),
    )
    selectable: ClassVar[Sequence[str]] = (".spec.subject.name", ".spec.role")

    spec: MembershipSpec
    """Who belongs to which organization, with which role."""

    status: MembershipStatus = Field(default_factory=MembershipStatus)
    """What Tenure saw and did; only the operator writes it."""

    role_manager: str | None = None
    """The field manager that set `spec.role`, from `metadata.managedFields`."""

    @model_validator(mode="before")
    @classmethod
    def _read_role_manager(cls, body: Any) -> Any:
        if not isinstance(body, Mapping) or "metadata" not in body:
            return body
        return {**body, "roleManager": _role_manager(body["metadata"].get("managedFields"))}

    @property
    def is_person(self) -> bool:
        """Whether the member is a person, whose keys end with the role."""
        return self.spec.subject.kind is SubjectKind.USER
