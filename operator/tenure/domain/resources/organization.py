"""Organization: the tenant, one in each namespace, and the rules for its members' keys."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from tenure.domain import durations
from tenure.domain.policy import MAX_KEYS_PER_MEMBER, OnRoleChange, WhenKeysExist
from tenure.domain.resources.base import (
    LIST_SET,
    Column,
    Condition,
    DateTime,
    Day,
    Duration,
    Model,
    Name,
    Resource,
    Rule,
    list_map,
    shaped,
)
from tenure.domain.resources.invitation import InvitationMode, Invitations, Notifications
from tenure.domain.resources.role_changes import RoleChanges
from tenure.domain.roles import Role

Domain = Annotated[
    str,
    shaped(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$",
        "must be a domain in lower-case ASCII, for example acme.io",
        max_length=253,
    ),
]
MetadataPrefix = Annotated[
    str,
    shaped(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[-A-Za-z0-9_.]*$",
        "must be a domain in lower case and a slash, for example acme.io/, and may continue with the start of a name",
        max_length=254,
    ),
]


class KeyRules(Model):
    """Rules for the keys of this organization's members."""

    on_role_change: OnRoleChange | None = None
    """What becomes of the ApiKeys of a person whose role changes. The tokens are revoked and the Secrets are deleted in
    any case. Delete deletes the ApiKeys. Revoke keeps them, with Ready=False and reason RoleChanged. Auto, the default,
    deletes those that only people made and changed, with kubectl. It keeps the others, because a tool such as Argo CD,
    Flux or Helm would recreate them, and they would be issued under the new role without anyone's approval."""

    max_per_member: int | None = Field(default=None, ge=1, le=MAX_KEYS_PER_MEMBER)
    """Maximum number of keys of a member, 1 to 1000. Newer keys above the limit wait with reason QuotaExceeded. If
    omitted, there is no limit."""

    require_expiry: bool | None = None
    """Whether a key must have a ttl or expiresAt. A key without them waits with reason PolicyViolation."""

    max_ttl: Duration | None = Field(default=None, alias="maxTTL")
    """Maximum lifetime of a key in hours, minutes and seconds, for example 8760h for a year (30 days are 720h). A key
    with a longer one waits with reason PolicyViolation. It limits a ttl, which begins again with each rotation, so it
    limits each token of a rotated key. It limits expiresAt from the creation of the ApiKey on, which rotations don't
    change. For a key without ttl and expiresAt, only requireExpiry applies."""

    default_overlap: Duration | None = None
    """How long the former token of a rotated key stays valid if the key's rotation.overlap is omitted. 0s: not at all.
    If omitted, 1h."""

    max_overlap: Duration | None = None
    """Maximum time for which a former token stays valid, for example 24h. Keys that ask for more get this. If omitted,
    168h."""

    rotate_within: Duration | None = None
    """Keys must be rotated at least this often, for example 2160h. A key without rotation.every of at most this waits
    with reason PolicyViolation. A key that works keeps its token, but isn't rotated."""

    unused_after: Duration | None = None
    """Report keys that weren't used for so long, in hours, minutes and seconds, at least 24h, for example 2160h for 90
    days. Such a key gets the condition Unused, an Event, and is counted in a metric. It keeps working. If omitted, no
    key is reported."""

    secret_metadata_prefixes: list[MetadataPrefix] | None = Field(
        default=None, max_length=20, json_schema_extra=LIST_SET
    )
    """Prefixes, for example acme.io/, of the labels and annotations that ApiKeys may set on their Secrets with
    secretTemplate. If omitted, none are allowed. Prefixes of Kubernetes, GitOps and backup tools are never allowed."""


class SuspendedMember(Model):
    """A member whose keys don't work while it is listed."""

    name: Name
    """Name of the Membership."""

    reason: str | None = Field(default=None, max_length=1024)
    """The reason, for example the number of an incident."""


class OrganizationSpec(Model):
    """The organization as you want it."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            f"!has(self.keys) || !has(self.keys.maxTTL) || !self.keys.maxTTL.matches(r'{durations.PATTERN}') || "
            "duration(self.keys.maxTTL) > duration('0s')",
            f"keys.maxTTL: must be longer than zero, in {durations.MEANING}",
            field=".keys.maxTTL",
        ),
        Rule(
            "!has(self.keys) || !has(self.keys.rotateWithin) || "
            f"!self.keys.rotateWithin.matches(r'{durations.PATTERN}') || "
            "duration(self.keys.rotateWithin) >= duration('1h')",
            f"keys.rotateWithin: must be at least 1h, in {durations.MEANING}",
            field=".keys.rotateWithin",
        ),
        Rule(
            f"!has(self.keys) || !has(self.keys.unusedAfter) || !self.keys.unusedAfter.matches(r'{durations.PATTERN}') "
            "|| duration(self.keys.unusedAfter) >= duration('24h')",
            f"keys.unusedAfter: must be at least 24h, in {durations.MEANING}",
            field=".keys.unusedAfter",
        ),
    )

    display_name: str | None = Field(default=None, max_length=256)
    """The display name of the organization."""

    allowed_email_domains: list[Domain] | None = Field(default=None, max_length=50, json_schema_extra=LIST_SET)
    """Domains, for example acme.io, that e-mail addresses of new members must have. If omitted, any domain is allowed.
    It takes effect only if the webhooks are installed."""

    deletion_protection: bool | None = None
    """Whether to reject the deletion of the Organization. It takes effect only if the webhooks are installed."""

    role_changes: RoleChanges | None = None
    """Which role changes are allowed, and under which conditions."""

    keys: KeyRules | None = None
    """Rules for the keys of this organization's members."""

    invitations: Invitations | None = None
    """How new members are invited. It takes effect only if the mail process runs, except for RequireAcceptance, which
    always holds keys back."""

    notifications: Notifications | None = None
    """Which letters people get about their role and their keys. It takes effect only if the mail process runs."""

    suspended: bool | None = None
    """For emergencies: while this is true, no key of the organization works. Tenure deletes no object, and the keys
    work again once you remove the field. Leave the field out of Git, so that self-heal doesn't revert it."""

    suspended_members: list[SuspendedMember] | None = Field(
        default=None, max_length=1000, json_schema_extra=list_map("name")
    )
    """For emergencies: members whose keys don't work while they are listed here. Tenure deletes no object. Leave the
    field out of Git, so that self-heal doesn't revert it."""


class RoleCounts(Model):
    """Number of members with each role."""

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
    """Number of keys in each state."""

    valid: int = 0
    """Keys that work."""

    suspended: int = 0
    """Keys that don't work because they, their member or the organization are suspended."""

    waiting: int = 0
    """Keys that aren't issued yet, or wait to be reissued."""

    ended: int = 0
    """Keys that are revoked or expired."""


class PolicyInForce(Model):
    """The rules in force, with the defaults for those that the spec omits."""

    when_keys_exist: WhenKeysExist = WhenKeysExist.WARN
    """What the webhooks do with a role change that revokes working keys."""

    on_role_change: OnRoleChange = OnRoleChange.AUTO
    """What becomes of the ApiKeys of a person whose role changes."""

    max_per_member: int | None = None
    """Maximum number of keys of a member. Omitted if there is no limit."""

    require_expiry: bool = False
    """Whether a key must have a ttl or expiresAt."""

    max_ttl: str | None = Field(default=None, alias="maxTTL")
    """Maximum lifetime of a key. Omitted if there is no limit."""

    default_overlap: str | None = None
    """How long the former token of a rotated key stays valid if the key doesn't say."""

    max_overlap: str | None = None
    """Maximum time for which a former token stays valid."""

    rotate_within: str | None = None
    """How often keys must be rotated. Omitted if there is no rule."""


class OrganizationStatus(Model):
    """What Tenure observed and did. Only the operator writes it."""

    observed_generation: int = -1
    """The metadata.generation that this status describes. -1 means not reconciled yet."""

    conditions: list[Condition] = Field(default_factory=list, json_schema_extra=list_map("type"))
    """Ready says whether the Organization is in force in its namespace. HasOwner says whether it has an Owner."""

    members: RoleCounts | None = None
    """Number of members with each role."""

    owners: list[str] | None = Field(default=None, max_length=50)
    """Names of the Memberships with the role Owner, at most the first 50 by name."""

    keys: KeyCounts | None = None
    """Number of keys in each state."""

    usage_since: DateTime | None = None
    """Since when Tenure has known every use of this organization's keys. Omitted while it doesn't, for example because
    a verifier doesn't answer. Then no warning and no condition says that a key wasn't used."""

    usage_until: Day | None = None
    """The latest day for which usageSince was confirmed. If that is before yesterday, use isn't known either."""

    invitations_since: DateTime | None = None
    """Since when new members have been invited (spec.invitations.mode). Members from before get no letter. Omitted if
    the mode is None."""

    acceptance_since: DateTime | None = None
    """Since when new members have had to accept. Members from before, and of the first 10 minutes, count as accepted.
    Omitted unless the mode is RequireAcceptance."""

    policy: PolicyInForce | None = None
    """The rules in force: those of the spec, the installation's defaults, and the installation's limits if they are
    stricter."""


class Organization(Resource):
    """The tenant, with its members and keys in one namespace."""

    kind: ClassVar[str] = "Organization"
    plural: ClassVar[str] = "organizations"
    short_name: ClassVar[str] = "org"
    description: ClassVar[str] = (
        "An Organization is a tenant. Its members are the Memberships in its namespace, and its keys are the ApiKeys "
        "there. A namespace can have one Organization. If there are several, the oldest is in force. Run no "
        "workloads in the namespace, because everyone who may create a pod there, or has the built-in role edit, can "
        "read every key."
    )
    columns: ClassVar[Sequence[Column]] = (
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the Organization is in force"),
        Column("Owners", ".status.members.owner", "Number of Owners", "integer"),
        Column("Members", ".status.members.total", "Number of members", "integer"),
        Column("Keys", ".status.keys.valid", "Number of working keys", "integer"),
        Column("Age", ".metadata.creationTimestamp", "Time since its creation", "date"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not", wide=True),
        Column("Suspended", ".spec.suspended", "Whether all its keys are suspended", "boolean", wide=True),
        Column("Policy", ".status.policy.whenKeysExist", "What happens to a role change that revokes keys", wide=True),
    )

    spec: OrganizationSpec
    """The organization as you want it."""

    status: OrganizationStatus = Field(default_factory=OrganizationStatus)
    """What Tenure observed and did. Only the operator writes it."""

    @property
    def invitation_mode(self) -> InvitationMode:
        """What new members are asked for."""
        return (self.spec.invitations and self.spec.invitations.mode) or InvitationMode.NONE

    def suspends(self, membership: str) -> bool:
        """Return whether the keys of a member are suspended, by the member's name or with the whole organization."""
        listed = self.spec.suspended_members or ()
        return bool(self.spec.suspended) or any(member.name == membership for member in listed)


def count_roles(roles: Sequence[Role]) -> RoleCounts:
    """Count the members with each role."""
    counts = {role.value.lower(): roles.count(role) for role in Role}
    return RoleCounts(**counts, total=len(roles))
