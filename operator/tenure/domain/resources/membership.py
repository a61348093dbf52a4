"""Membership: a person or a service account in an organization, with a role."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar
from unicodedata import normalize

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
from tenure.domain.resources.invitation import Invitation
from tenure.domain.resources.listed_key import ListedKey
from tenure.domain.resources.mailbox import ADDRESS, HIDDEN
from tenure.domain.roles import Role

MAX_RECORDED = 64
"""Maximum length of a description in the record of a role change, which may have a thousand keys."""

MAX_LISTED_KEYS = 50
"""Maximum number of working keys that a Membership's status lists by name."""

_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


def fold(name: str) -> str:
    """Return a name in the form in which two spellings of it are equal. Only rules that refuse compare it."""
    return normalize("NFKC", name).casefold()


class SubjectKind(StrEnum):
    """What a member is."""

    USER = "User"
    SERVICE_ACCOUNT = "ServiceAccount"


class Subject(Model):
    """Who the member is."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            f"self.kind != 'User' || !self.name.matches(r'^ | $|[{HIDDEN}]')",
            "subject.name: the name of a User can't begin or end with a blank, and can't have control characters or "
            "invisible ones",
            field=".name",
        ),
        Rule(
            "self.kind != 'User' || !self.name.lowerAscii().startsWith('system:')",
            "subject.name: the name of a User can't begin with system:, because Kubernetes keeps these names for "
            "itself. For a program, use kind: ServiceAccount",
            field=".name",
        ),
        Rule(
            "self.kind != 'User' || !self.name.contains('@') || self.name.contains(':') || "
            f"self.name.matches(r'{ADDRESS}')",
            "subject.name: an e-mail address has one @ and an ASCII domain, and no blanks, none of < > ( ) [ ] , ; : "
            '\\ and ", and no dot at the start, beside the @ or beside another dot, for example alice@acme.io',
            field=".name",
        ),
        Rule(
            f"self.kind != 'ServiceAccount' || (size(self.name) <= 63 && self.name.matches(r'{_LABEL}'))",
            "subject.name: the name of a ServiceAccount must be at most 63 lower-case letters, digits and dashes, "
            "for example ci-deploy",
            field=".name",
        ),
    )

    kind: SubjectKind
    """User is a person, whose keys are revoked by a role change. ServiceAccount is for automation and isn't a
    ServiceAccount of Kubernetes. Its keys survive role changes, and have the rights of its present role. It can't be
    Owner."""

    name: str = Field(min_length=1, max_length=254)
    """The name of a person exactly as your identity provider gives it to Kubernetes, without the usernamePrefix, for
    example alice@acme.io or 00u1abcdEFGH. Or the name of a service account."""

    @property
    def is_address(self) -> bool:
        """Whether the name is an e-mail address. Other names, such as ARNs, may have an @ too, but also a colon."""
        return "@" in self.name and ":" not in self.name

    @property
    def folded(self) -> tuple[SubjectKind, str]:
        """The subject in the form in which two are equal whose names differ in case only."""
        return self.kind, fold(self.name)


class MembershipSpec(Model):
    """Who belongs to which organization, with which role.

    These three fields, for good: `role` is the only one that changes, so that metadata.generation counts role
    changes. Anything new goes elsewhere.
    """

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            "self.organization == oldSelf.organization",
            "organization: can't be changed. Delete the Membership and create another one",
            field=".organization",
            reason="FieldValueForbidden",
        ),
        Rule(
            "self.subject == oldSelf.subject",
            "subject: can't be changed. Create another Membership for the other subject",
            field=".subject",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!(self.subject.kind == 'ServiceAccount' && self.role == 'Owner')",
            "role: a ServiceAccount can't be Owner. Use Member, Analyst or Viewer",
            field=".role",
        ),
    )

    organization: Name
    """Name of the Organization in the same namespace. You can't change it."""

    subject: Subject
    """Who the member is. You can't change it."""

    role: Role
    """Owner, Member, Analyst or Viewer. If you change it, all keys of a person are revoked immediately, even if you
    change it back. The keys of a service account keep working, with the rights of the new role."""


class Fate(StrEnum):
    """What became of the ApiKey of a revoked key. Its old token doesn't work in any case."""

    DELETED = "Deleted"
    REVOKED = "Revoked"
    REISSUED = "Reissued"


class EndedKey(Model):
    """A key that a role change revoked."""

    name: str = Field(max_length=NAME_LENGTH)
    """Name of the ApiKey."""

    key_id: str = Field(max_length=32)
    """The public id of the revoked token."""

    description: str | None = Field(default=None, max_length=MAX_RECORDED)
    """The beginning of its description."""

    fate: Fate
    """Deleted: the ApiKey was deleted. Revoked: it stays, with Ready=False. Reissued: it got a new token, because its
    forRole names the new role, or because it was handed over to another member."""


class RoleChange(Model):
    """A role change, and the keys that it revoked."""

    from_role: Role = Field(alias="from")
    """The role before, as Tenure last observed it."""

    to_role: Role = Field(alias="to")
    """The role since then. It is the same as before if the role was changed and changed back in between."""

    generation: int
    """The metadata.generation after the change."""

    at: DateTime
    """When Tenure observed the change. The keys were revoked from the moment at which it was stored."""

    field_manager: str | None = Field(default=None, max_length=128)
    """The field manager that set the role, as the API server recorded it, for example argocd-controller."""

    key_count: int
    """Number of tokens that it revoked."""

    keys: list[EndedKey] = Field(default_factory=list, max_length=MAX_KEYS_PER_MEMBER)
    """The tokens that it revoked, by the name of their key. A key has several around a rotation."""


class WaitingKey(Model):
    """A key that waits for another role of the member."""

    name: str = Field(max_length=NAME_LENGTH)
    """Name of the ApiKey."""

    for_role: Role
    """The role that it will be issued under."""


class CapabilityLevels(Model):
    """What the role allows: None, View or Full for each capability."""

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
    """What Tenure observed and did. Only the operator writes it."""

    foreign: ClassVar[frozenset[str]] = frozenset({"invitation"})

    observed_generation: int = -1
    """The metadata.generation that this status describes. -1 means not reconciled yet."""

    conditions: list[Condition] = Field(default_factory=list, json_schema_extra=list_map("type"))
    """Ready says whether the Membership is in force. Notified and Accepted say what became of its invitation."""

    role: Role | None = None
    """The role in force."""

    username: str | None = Field(default=None, max_length=512)
    """The name by which Kubernetes knows the member."""

    capabilities: CapabilityLevels | None = None
    """What the role allows."""

    key_count: int | None = None
    """Number of the member's working keys."""

    keys: list[ListedKey] | None = Field(default=None, max_length=MAX_LISTED_KEYS)
    """The working keys, at most the first 50 by name."""

    waiting_keys: list[WaitingKey] | None = Field(default=None, max_length=MAX_LISTED_KEYS)
    """Keys without a working token whose forRole names another role, at most the first 50 by name. They are issued once
    the member has it."""

    last_role_change: RoleChange | None = None
    """The latest role change, and the keys that it revoked."""

    invitation: Invitation | None = None
    """What became of the invitation. Only the mail process writes it."""


def _role_manager(fields: Any) -> str | None:
    """Return the latest field manager that owns `spec.role`."""
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
        "A Membership says who belongs to an organization, and with which role. If you change the role of a person, "
        "all keys of that person are revoked. Other members keep theirs."
    )
    columns: ClassVar[Sequence[Column]] = (
        Column("Role", ".spec.role", "The member's role"),
        Column("Subject", ".spec.subject.name", "Who the member is"),
        Column("Keys", ".status.keyCount", "Number of working keys", "integer"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the Membership is in force"),
        Column("Age", ".metadata.creationTimestamp", "Time since its creation", "date"),
        Column("Kind", ".spec.subject.kind", "User or ServiceAccount", wide=True),
        Column("Username", ".status.username", "The name by which Kubernetes knows the member", wide=True),
        Column("Last-Change", ".status.lastRoleChange.at", "When the role last changed", wide=True),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not", wide=True),
        Column(
            "Accepted",
            '.status.conditions[?(@.type=="Accepted")].status',
            "Whether the person accepted the invitation, where that is required",
            wide=True,
        ),
    )
    selectable: ClassVar[Sequence[str]] = (".spec.subject.name", ".spec.role")

    spec: MembershipSpec
    """Who belongs to which organization, and with which role."""

    status: MembershipStatus = Field(default_factory=MembershipStatus)
    """What Tenure observed and did. Only the operator writes it."""

    role_manager: str | None = None
    """The field manager that set `spec.role`, from `metadata.managedFields`."""

    @model_validator(mode="before")
    @classmethod
    def _read_role_manager(cls, body: Any) -> Any:
        if not isinstance(body, Mapping) or "metadata" not in body:
            return body
        return {**body, "roleManager": _role_manager(body["metadata"].get("managedFields"))}

    @property
    def has_accepted(self) -> bool:
        """Whether the person accepted the invitation."""
        return self.status.invitation is not None and self.status.invitation.accepted_at is not None

    @property
    def is_person(self) -> bool:
        """Whether the member is a person, whose keys are revoked by a role change."""
        return self.spec.subject.kind is SubjectKind.USER
