"""ApiKey: a key of a member; its token stands in a Secret of the same name."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from tenure.domain import durations
from tenure.domain.resources.base import (
    RULES,
    Column,
    Condition,
    DateTime,
    Duration,
    Model,
    Name,
    Resource,
    Rule,
    list_map,
)
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.roles import Access, Role

FIRST_REVISION = 1
"""The revision of an ApiKey that names none."""

LabelValue = Annotated[str, Field(max_length=63)]
AnnotationValue = Annotated[str, Field(max_length=4096)]


_IN_THE_CALENDAR = Rule(
    "self >= timestamp('1970-01-01T00:00:00Z') && self <= timestamp('9999-12-31T23:59:59Z')",
    "an instant with its zone, such as 2027-01-31T00:00:00Z, from 1970 to 9999",
)


class SecretTemplate(Model):
    """Labels and annotations for the Secret."""

    labels: dict[str, LabelValue] | None = Field(default=None, max_length=20)
    """Labels for the Secret; only those that start with one of the organization's secretMetadataPrefixes are set."""

    annotations: dict[str, AnnotationValue] | None = Field(default=None, max_length=20)
    """Annotations for the Secret; only those that start with one of the organization's secretMetadataPrefixes are
    set."""


class ApiKeySpec(Model):
    """The key as its holder wants it."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            "self.membership == oldSelf.membership",
            "membership: never changes; create another ApiKey for another member",
            field=".membership",
            reason="FieldValueForbidden",
        ),
        Rule(
            "self.access == oldSelf.access",
            "access: never changes; create another ApiKey",
            field=".access",
            reason="FieldValueForbidden",
        ),
        Rule(
            "has(self.ttl) == has(oldSelf.ttl) && (!has(self.ttl) || self.ttl == oldSelf.ttl)",
            "ttl: never changes; set or bring forward expiresAt to end the key earlier, or create another ApiKey",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.ttl) || duration(self.ttl) > duration('0s')",
            f"ttl: must be longer than zero; {durations.MEANING}",
            field=".ttl",
        ),
        Rule(
            "!has(oldSelf.expiresAt) || (has(self.expiresAt) && self.expiresAt <= oldSelf.expiresAt)",
            "expiresAt: may be set or brought forward, never extended or removed; create another ApiKey for longer",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(oldSelf.revision) || (has(self.revision) && self.revision >= oldSelf.revision)",
            "revision: may only grow; each step replaces the token",
            reason="FieldValueForbidden",
        ),
    )

    membership: Name
    """Name of the Membership in the same namespace whose key this is. Never changes."""

    access: Access
    """Full: all that the member's role opens. View: reading only, whatever the role. Never changes."""

    for_role: Role | None = None
    """The role for which this key was approved. The key is issued, and works, only while it is the member's role;
    otherwise it waits with reason RoleMismatch and is never deleted by Tenure. Change it in the commit that changes
    the role, and the key goes on under the same Secret name, with a new token and the new role's rights. A service
    account's key falls with the role if this is set, now or when its token was issued."""

    ttl: Duration | None = None
    """How long a token lives from its issue, in hours, minutes and seconds, such as 2160h (days are hours: 30 days
    are 720h). Never changes."""

    expires_at: DateTime | None = Field(default=None, json_schema_extra={RULES: [_IN_THE_CALENDAR.to_schema()]})
    """When the key ends, such as 2027-01-31T00:00:00Z. May be set or brought forward, never extended or removed.
    With a ttl, the earlier of both counts."""

    revision: int | None = Field(default=None, ge=1, le=1_000_000)
    """Raise it to have the token replaced: the old one is dead at once, the Secret keeps its name. Left out: 1. May
    only grow."""

    suspended: bool | None = None
    """For emergencies: the key doesn't work while this is true, its Secret stays, and taking it away brings the key
    back. Leave the field out of Git, so that self-heal doesn't revert it."""

    secret_template: SecretTemplate | None = None
    """Labels and annotations for the Secret, as far as the organization's secretMetadataPrefixes allow them; they are
    set when a token is issued."""


class Stamp(Model):
    """The tenure under which a token was issued; it decides whether the token works."""

    organization_uid: str = Field(alias="organizationUID", max_length=64)
    """uid of the Organization."""

    membership_uid: str = Field(alias="membershipUID", max_length=64)
    """uid of the Membership."""

    membership_generation: int
    """metadata.generation of the Membership: it counts role changes."""

    role: Role
    """The member's role."""

    revision: int
    """The ApiKey's revision."""

    for_role: Role | None = None
    """The role for which the key was approved, where it named one."""

    at: DateTime
    """When the token was issued, by the API server's clock."""


class ApiKeyStatus(Model):
    """What Tenure saw and did; only the operator writes it."""

    observed_generation: int = -1
    """The metadata.generation that this status speaks of; -1: not reconciled yet."""

    conditions: list[Condition] = Field(default_factory=list, json_schema_extra=list_map("type"))
    """Ready says whether the key works, Stalled that waiting won't change that."""

    key_id: str | None = Field(default=None, max_length=32)
    """The token's public id, for logs and look-ups."""

    hash: str | None = Field(default=None, max_length=128)
    """SHA-256 of the token, as sha256:<hex>."""

    secret_name: str | None = Field(default=None, max_length=253)
    """Name of the Secret that holds the token, while there is one."""

    secret_uid: str | None = Field(default=None, alias="secretUID", max_length=64)
    """uid of that Secret."""

    subject_kind: SubjectKind | None = None
    """User or ServiceAccount."""

    expires_at: DateTime | None = None
    """When the token ends; left out where it never does."""

    issued: Stamp | None = None
    """The tenure under which the token was issued."""


class ApiKey(Resource):
    """A key of a member; its token stands in a Secret of the same name."""

    kind: ClassVar[str] = "ApiKey"
    plural: ClassVar[str] = "apikeys"
    short_name: ClassVar[str] = "ak"
    description: ClassVar[str] = (
        "An ApiKey is a key of a member. Its token stands in a Secret of the same name, under the key token, and "
        "works exactly as long as the member holds the role under which it was issued."
    )
    columns: ClassVar[Sequence[Column]] = (
        Column("Member", ".spec.membership", "Whose key it is"),
        Column("Role", ".status.issued.role", "The role under which it was issued"),
        Column("Access", ".spec.access", "Full or View"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether it works"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it works or not"),
        Column("Expires", ".status.expiresAt", "When it ends"),
        Column("Age", ".metadata.creationTimestamp", "Since when it exists", "date"),
        Column("Key-Id", ".status.keyId", "The token's public id", wide=True),
        Column("For-Role", ".spec.forRole", "The role for which it was approved", wide=True),
        Column("Revision", ".status.issued.revision", "How often the token was asked anew", "integer", wide=True),
        Column("Secret", ".status.secretName", "The Secret that holds the token", wide=True),
    )
    selectable: ClassVar[Sequence[str]] = (".spec.membership", ".status.keyId", ".status.subjectKind")

    spec: ApiKeySpec
    """The key as its holder wants it."""

    status: ApiKeyStatus = Field(default_factory=ApiKeyStatus)
    """What Tenure saw and did; only the operator writes it."""

    @property
    def revision(self) -> int:
        """The revision that the spec asks for."""
        return self.spec.revision or FIRST_REVISION
