"""Organization: the tenant, one per namespace, and the rules for its members' keys."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from tenure.domain import durations
from tenure.domain.policy import MAX_KEYS_PER_MEMBER, OnRoleChange, WhenKeysExist
from tenure.domain.resources.base import (
    LIST_SET,
    Column,
    Condition,
    Duration,
    Model,
    Name,
    Resource,
    Rule,
    list_map,
    shaped,
)
from tenure.domain.roles import Role


class FromRole(StrEnum):
    """The role that a denied transition starts from."""

    ANY = "*"
    NONE = "None"
    OWNER = "Owner"
    MEMBER = "Member"
    ANALYST = "Analyst"
    VIEWER = "Viewer"


class ToRole(StrEnum):
    """The role that a denied transition leads to."""

    ANY = "*"
    OWNER = "Owner"
    MEMBER = "Member"
    ANALYST = "Analyst"
    VIEWER = "Viewer"


Domain = Annotated[
    str,
    shaped(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$",
        "a domain in lower-case ASCII, such as acme.io",
        max_length=253,
    ),
]
MetadataPrefix = Annotated[
    str,
    shaped(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[-A-Za-z0-9_.]*$",
        "a domain in lower case and a slash, such as acme.io/, and possibly the beginning of a name after it",
        max_length=254,
    ),
]


class DeniedTransition(Model):
    """A role change that this organization doesn't allow."""

    from_role: FromRole = Field(alias="from")
    """The present role; None is a new member, "*" any role."""

    to_role: ToRole = Field(alias="to")
    """The new role; "*" is any role."""


class RoleChanges(Model):
    """Which role changes are allowed, and under which conditions."""

    when_keys_exist: WhenKeysExist | None = None
    """What happens to a role change that ends working keys: Warn lets it pass with a warning that names them,
    RequireAcknowledgement refuses it until the same write acknowledges these keys with the annotation
    tenure.dev/acknowledge-key-deletion, Deny refuses it. Left out: the installation's default. It takes effect where
    the webhooks are installed."""

    deny: list[DeniedTransition] | None = Field(default=None, max_length=20)
    """Transitions that aren't allowed. Left out: all are. It takes effect where the webhooks are installed."""


class KeyRules(Model):
    """Rules for the keys of this organization's members."""

    on_role_change: OnRoleChange | None = None
    """What becomes of the ApiKey objects of a member whose role changed; token and Secret always go. Delete deletes
    them. Revoke keeps them with Ready=False, reason RoleChanged. Auto, which also holds when the field is left out,
    deletes them unless Argo CD or Flux manages them and would put them back under the new role unasked; then it
    keeps them as Revoke does."""

    max_per_member: int | None = Field(default=None, ge=1, le=MAX_KEYS_PER_MEMBER)
    """How many keys a member may have at a time, 1 to 1000. The newest over the limit waits with reason
    QuotaExceeded. Left out: no limit."""

    require_expiry: bool | None = None
    """Whether a key must have a ttl or expiresAt. One without waits with reason PolicyViolation."""

    max_ttl: Duration | None = Field(default=None, alias="maxTTL")
    """The longest life of a key in hours, minutes and seconds, such as 8760h for a year (days are hours: 30 days are
    720h). A key with a longer one waits with reason PolicyViolation; one without ttl and expiresAt is judged by
    requireExpiry alone."""

    secret_metadata_prefixes: list[MetadataPrefix] | None = Field(
        default=None, max_length=20, json_schema_extra=LIST_SET
    )
    """Prefixes, such as acme.io/, of the labels and annotations that ApiKeys may put on their Secrets with
    secretTemplate. Left out: none. Prefixes of GitOps and backup tools never work."""


class SuspendedMember(Model):
    """A member whose keys don't work for the time being."""

    name: Name
    """Name of the Membership."""

    reason: str | None = Field(default=None, max_length=1024)
    """Why, for people, such as an incident's number."""


class OrganizationSpec(Model):
    """The organization as its owners want it."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            "!has(self.keys) || !has(self.keys.maxTTL) || duration(self.keys.maxTTL) > duration('0s')",
            f"keys.maxTTL: must be longer than zero; {durations.MEANING}",
            field=".keys.maxTTL",
        ),
    )

    display_name: str | None = Field(default=None, max_length=256)
    """The organization's name for people."""

    allowed_email_domains: list[Domain] | None = Field(default=None, max_length=50, json_schema_extra=LIST_SET)
    """Domains, such as acme.io, that the e-mail addresses of new members must belong to. Left out: any. It takes
    effect where the webhooks are installed."""

    deletion_protection: bool | None = None
    """Whether deleting the organization is refused. It takes effect where the webhooks are installed."""

    role_changes: RoleChanges | None = None
    """Which role changes are allowed, and under which conditions."""

    keys: KeyRules | None = None
    """Rules for the keys of this organization's members."""

    suspended: bool | None = None
    """For emergencies: no key of the organization works while this is true, nothing is deleted, and taking it away
    brings all keys back. Leave the field out of Git, so that self-heal doesn't revert it."""

    suspended_members: list[SuspendedMember] | None = Field(
        default=None, max_length=1000, json_schema_extra=list_map("name")
    )
    """For emergencies: members whose keys don't work while they are listed here. Nothing is deleted. Leave the field
    out of Git, so that self-heal doesn't revert it."""


class RoleCounts(Model):
    """How many members hold each role."""

    owner: int = 0
    """Members with the role Owner."""

    member: int = 0
    """Members with the role Member."""

    analyst: int = 0
    """Members with the role Analyst."""

    viewer: int = 0
    """Members with the role Viewer."""

    total: int = 0
    """All members."""


class KeyCounts(Model):
    """How many keys there are, by what they can do at present."""

    valid: int = 0
    """Keys that work."""

    suspended: int = 0
    """Keys that would work were they, their member or the organization not suspended."""

    waiting: int = 0
    """Keys that were not issued yet, or wait to be issued again."""

    ended: int = 0
    """Keys that don't work any more."""


class PolicyInForce(Model):
    """The rules that hold, with the defaults for those that the spec leaves out."""

    when_keys_exist: WhenKeysExist = WhenKeysExist.WARN
    """What admission does with a role change that ends working keys."""

    on_role_change: OnRoleChange = OnRoleChange.AUTO
    """What becomes of the ApiKey objects of a member whose role changed."""

    max_per_member: int | None = None
    """How many keys a member may have at a time; left out where there is no limit."""

    require_expiry: bool = False
    """Whether a key must have a ttl or expiresAt."""

    max_ttl: str | None = Field(default=None, alias="maxTTL")
    """The longest life of a key; left out where there is no limit."""


class OrganizationStatus(Model):
    """What Tenure saw and did; only the operator writes it."""

    observed_generation: int = -1
    """The metadata.generation that this status speaks of; -1: not reconciled yet."""

    conditions: list[Condition] = Field(default_factory=list, json_schema_extra=list_map("type"))
    """Ready says whether the organization is in force in its namespace, HasOwner whether anybody owns it."""

    members: RoleCounts | None = None
    """How many members hold each role."""

    owners: list[str] | None = Field(default=None, max_length=50)
    """Names of the Memberships with the role Owner; the first 50 by name."""

    keys: KeyCounts | None = None
    """How many keys there are."""

    policy: PolicyInForce | None = None
    """The rules that hold: the spec's, the installation's defaults, and the stricter where the installation has a
    limit."""


class Organization(Resource):
    """The tenant: it owns its namespace, and its members hold roles and keys."""

    kind: ClassVar[str] = "Organization"
    plural: ClassVar[str] = "organizations"
    short_name: ClassVar[str] = "org"
    description: ClassVar[str] = (
        "An Organization owns its namespace: its members are the Memberships there, its keys the ApiKeys. One per "
        "namespace; of several the oldest is in force. The namespace is a vault, not a place for workloads: whoever "
        "may create a pod there, or holds the built-in role edit, can read every key."
    )
    columns: ClassVar[Sequence[Column]] = (
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the organization is in force"),
        Column("Owners", ".status.members.owner", "How many members own it", "integer"),
        Column("Members", ".status.members.total", "How many members it has", "integer"),
        Column("Keys", ".status.keys.valid", "How many keys work", "integer"),
        Column("Age", ".metadata.creationTimestamp", "Since when it exists", "date"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not", wide=True),
        Column("Suspended", ".spec.suspended", "Whether all its keys are suspended", "boolean", wide=True),
        Column("Policy", ".status.policy.whenKeysExist", "What a role change with keys meets", wide=True),
    )

    spec: OrganizationSpec
    """The organization as its owners want it."""

    status: OrganizationStatus = Field(default_factory=OrganizationStatus)
    """What Tenure saw and did; only the operator writes it."""

    def suspends(self, membership: str) -> bool:
        """Whether the keys of a member don't work for the time being."""
        listed = self.spec.suspended_members or ()
        return bool(self.spec.suspended) or any(member.name == membership for member in listed)


def count_roles(roles: Sequence[Role]) -> RoleCounts:
    """How many members hold each role."""
    counts = {role.value.lower(): roles.count(role) for role in Role}
    return RoleCounts(**counts, total=len(roles))
