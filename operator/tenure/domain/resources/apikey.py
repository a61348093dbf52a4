"""ApiKey: a key of a member. Its token is in a Secret of the same name."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from tenure.domain import durations
from tenure.domain.resources.base import (
    RULES,
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
)
from tenure.domain.resources.key_fields import Capabilities, Description
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.resources.secret_template import SecretTemplate
from tenure.domain.resources.stamp import AnnouncedToken, Approval, FormerToken, Stamp
from tenure.domain.roles import Access, Capability, Role

FIRST_REVISION = 1
"""The revision of an ApiKey that doesn't set one."""

_IN_THE_CALENDAR = Rule(
    "self >= timestamp('1970-01-01T00:00:00Z') && self <= timestamp('9999-12-31T23:59:59Z')",
    "must be a time with its zone, for example 2027-01-31T00:00:00Z, from 1970 to 9999",
)


class Rotation(Model):
    """When the key gets a new token, and how long the former one stays valid."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            f"!has(self.every) || !self.every.matches(r'{durations.PATTERN}') || "
            "duration(self.every) >= duration('1h')",
            f"every: must be at least 1h, in {durations.MEANING}",
            field=".every",
        ),
        Rule(
            f"!has(self.every) || !has(self.overlap) || !self.every.matches(r'{durations.PATTERN}') || "
            f"!self.overlap.matches(r'{durations.PATTERN}') || duration(self.overlap) < duration(self.every)",
            "overlap: must be shorter than every, because a key has at most two valid tokens",
            field=".overlap",
        ),
    )

    every: Duration | None = None
    """Rotate the token this long after it was issued, at least 1h, for example 720h for 30 days. Tenure rotates up to
    10 % earlier, so that keys of one commit don't all rotate at once. If omitted, only request rotates the token."""

    overlap: Duration | None = None
    """How long the former token stays valid, for example 24h. 0s: not at all. If omitted, the organization's
    keys.defaultOverlap. The organization's keys.maxOverlap is the limit. If you make it shorter, the former token of
    the latest rotation expires earlier too, but it never becomes valid for longer."""

    request: int | None = Field(default=None, ge=1, le=1_000_000)
    """Raise it to rotate the token once. The first token counts as the answer to the number at that time. A number that
    isn't higher than the last one does nothing."""


class ApiKeySpec(Model):
    """The key as you want it."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            "self.access == oldSelf.access",
            "access: can't be changed. Create another ApiKey",
            field=".access",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.capabilities) || size(self.capabilities) > 0",
            f"capabilities: must name at least one of {', '.join(Capability)}. To allow everything that the member's "
            "role allows, leave the field out",
            field=".capabilities",
        ),
        Rule(
            "has(self.capabilities) == has(oldSelf.capabilities) && (!has(self.capabilities) || "
            "(size(self.capabilities) == size(oldSelf.capabilities) && "
            "self.capabilities.all(one, one in oldSelf.capabilities)))",
            "capabilities: can't be changed. Create another ApiKey",
            reason="FieldValueForbidden",
        ),
        Rule(
            "has(self.ttl) == has(oldSelf.ttl) && (!has(self.ttl) || self.ttl == oldSelf.ttl)",
            "ttl: can't be changed. Set an earlier expiresAt to shorten the key's life, or create another ApiKey",
            reason="FieldValueForbidden",
        ),
        Rule(
            f"!has(self.ttl) || !self.ttl.matches(r'{durations.PATTERN}') || duration(self.ttl) > duration('0s')",
            f"ttl: must be longer than zero, in {durations.MEANING}",
            field=".ttl",
        ),
        Rule(
            "!has(oldSelf.expiresAt) || (has(self.expiresAt) && self.expiresAt <= oldSelf.expiresAt)",
            "expiresAt: can be set or made earlier, but not later, and not removed. Create another ApiKey instead",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(oldSelf.revision) || (has(self.revision) && self.revision >= oldSelf.revision)",
            "revision: can only be raised. Each higher one revokes the key's tokens and issues a new one",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.ttl) || !has(self.rotation) || !has(self.rotation.every) || "
            f"!self.ttl.matches(r'{durations.PATTERN}') || !self.rotation.every.matches(r'{durations.PATTERN}') || "
            "duration(self.rotation.every) < duration(self.ttl)",
            "rotation.every: must be shorter than ttl, or else the token expires before it is rotated",
            field=".rotation.every",
        ),
    )

    membership: Name
    """Name of the Membership in the same namespace that the key belongs to. If you change it, you hand the key over.
    The Secret then gets a new token with the other member's rights. The former token stays valid for rotation.overlap,
    or until the role of its own member changes."""

    access: Access
    """What the key may do. Full: everything that the member's role allows. View: only read, with any role. You can't
    change it."""

    description: Description | None = None
    """What the key is for, for people, for example GitLab project infra/deploy. Tenure shows it wherever it lists keys.
    You can change it at any time."""

    capabilities: Capabilities | None = None
    """The capabilities that the key is limited to, for example [clusters]. For these it has the level that role and
    access allow, and None for the others. If omitted, the key has no such limit. You can't change it."""

    for_role: Role | None = None
    """The role that you approve this key for. Tenure issues the key only while the member has this role. Otherwise a
    key without a token waits with reason RoleMismatch, and Tenure doesn't delete it. A key that works keeps its token
    until the role changes. If you set it in the commit that changes the role, the key is reissued: the same Secret gets
    a new token with the rights of the new role. A service account's key with this field is revoked by a role change. To
    remove the field from such a key, raise revision in the same write."""

    ttl: Duration | None = None
    """How long a token is valid after it is issued, in hours, minutes and seconds, for example 2160h (30 days are
    720h). You can't change it."""

    expires_at: DateTime | None = Field(default=None, json_schema_extra={RULES: [_IN_THE_CALENDAR.to_schema()]})
    """When the key expires, for example 2027-01-31T00:00:00Z. You can set it or make it earlier, but not make it later
    or remove it. If there is a ttl too, the earlier of the two applies."""

    revision: int | None = Field(default=None, ge=1, le=1_000_000)
    """Raise it after a leak: all tokens of the key are revoked immediately, and the Secret of the same name gets a new
    one. If omitted, it is 1. You can only raise it. To replace a token without an interruption, use rotation."""

    rotation: Rotation | None = None
    """Replaces the token without an interruption: the former one stays valid for a while. You can change this at any
    time. A role change revokes both tokens."""

    suspended: bool | None = None
    """For emergencies: while this is true, the key doesn't work. Its Secret stays, and the key works again once you
    remove the field, which takes the grant of the member's role. Leave the field out of Git, so that self-heal doesn't
    revert it."""

    secret_template: SecretTemplate | None = None
    """Labels and annotations for the Secret, if the organization's secretMetadataPrefixes allow them, and a second name
    for the token. Tenure sets them when it issues a token, so a change waits for the next one. The condition
    SecretTemplateApplied says so."""


class ApiKeyStatus(Model):
    """What Tenure observed and did. Only the operator writes it."""

    observed_generation: int = -1
    """The metadata.generation that this status describes. -1 means not reconciled yet."""

    conditions: list[Condition] = Field(default_factory=list, json_schema_extra=list_map("type"))
    """Ready says whether the key works. Stalled says that waiting won't change that. SecretTemplateApplied says whether
    the Secret is as secretTemplate asks for. Rotating says whether a rotation that is due is in
    progress, or what hinders it. Unused says that the key hasn't been used for longer than the organization's
    unusedAfter."""

    key_id: str | None = Field(default=None, max_length=32)
    """The public id of the token, for logs and searches."""

    hash: str | None = Field(default=None, max_length=128)
    """SHA-256 of the token, as sha256:<hex>. With capabilities, as narrowed-sha256:<hex>."""

    secret_name: str | None = Field(default=None, max_length=253)
    """Name of the Secret with the token, while there is one."""

    secret_uid: str | None = Field(default=None, alias="secretUID", max_length=64)
    """uid of that Secret."""

    subject_kind: SubjectKind | None = None
    """User or ServiceAccount."""

    expires_at: DateTime | None = None
    """When the token expires. Omitted if it doesn't."""

    last_used: Day | None = None
    """The day, in UTC, on which a verifier last answered that one of the key's tokens is valid. Written at most once a
    day, so a key in daily use may still show the day before. Omitted if no use is known."""

    issued: Stamp | None = None
    """The tenure that the token was issued in."""

    approval: Approval | None = None
    """While the key waits for a token: the Membership that it may be issued under. Omitted if that is the one in
    issued."""

    rotates_at: DateTime | None = None
    """When the token is rotated next. Omitted without rotation.every."""

    next: AnnouncedToken | None = None
    """The next token, only while a rotation is in progress."""

    previous: FormerToken | None = None
    """The former token, only while it is valid."""


class ApiKey(Resource):
    """A key of a member. Its token is in a Secret of the same name."""

    kind: ClassVar[str] = "ApiKey"
    plural: ClassVar[str] = "apikeys"
    short_name: ClassVar[str] = "ak"
    description: ClassVar[str] = (
        "An ApiKey is a key of a member. Its token is in a Secret of the same name, under the data key token. It works "
        "exactly as long as the member has the role that it was issued under."
    )
    columns: ClassVar[Sequence[Column]] = (
        Column("Member", ".spec.membership", "The member that the key belongs to"),
        Column("Role", ".status.issued.role", "The role that it was issued under"),
        Column("Access", ".spec.access", "Full or View"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the key works"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why the key works or not"),
        Column("Expires", ".status.expiresAt", "When the key expires"),
        Column("Former", ".status.previous.endsAt", "When its former token expires, while that is valid"),
        Column("Last-Used", ".status.lastUsed", "The day of its latest known use"),
        Column("Age", ".metadata.creationTimestamp", "Time since its creation", "date"),
        Column("Key-Id", ".status.keyId", "The public id of the token", wide=True),
        Column("Capabilities", ".spec.capabilities", "The capabilities that it is limited to", wide=True),
        Column("For-Role", ".spec.forRole", "The role that it is approved for", wide=True),
        Column("Revision", ".status.issued.revision", "The revision of its token", "integer", wide=True),
        Column("Secret", ".status.secretName", "The Secret with the token", wide=True),
        Column("Rotates", ".status.rotatesAt", "When the token is rotated next", wide=True),
        Column("Description", ".spec.description", "What it is for", wide=True),
    )
    selectable: ClassVar[Sequence[str]] = (
        ".spec.membership",
        ".status.keyId",
        ".status.subjectKind",
        ".status.issued.membership",
        ".status.previous.issued.membership",
    )
    rules: ClassVar[Sequence[Rule]] = (
        # The stamp of an older version doesn't name its Membership, so nothing would tell whose token it is.
        Rule(
            "self.spec.membership == oldSelf.spec.membership || !has(oldSelf.status) || !has(oldSelf.status.issued) || "
            "has(oldSelf.status.issued.membership)",
            "spec.membership: can't be changed yet, because status.issued.membership is missing: a version of Tenure "
            "that doesn't know this field issued the token. The operator adds it after the upgrade. Try again then",
            field=".spec.membership",
            reason="FieldValueForbidden",
        ),
    )

    spec: ApiKeySpec
    """The key as you want it."""

    status: ApiKeyStatus = Field(default_factory=ApiKeyStatus)
    """What Tenure observed and did. Only the operator writes it."""

    @property
    def rotation(self) -> Rotation:
        """The rotation that the spec asks for."""
        return self.spec.rotation or Rotation()

    @property
    def revision(self) -> int:
        """The revision that the spec asks for."""
        return self.spec.revision or FIRST_REVISION

    @property
    def holder(self) -> str:
        """Name of the Membership that the present token was issued under. Without a token it is that of the spec."""
        stamp = self.status.issued
        return (stamp and stamp.membership) or self.spec.membership

    @property
    def is_handed_over(self) -> bool:
        """Whether the spec names another Membership than the one that the present token was issued under."""
        return self.holder != self.spec.membership

    @property
    def narrowed_to(self) -> Sequence[Capability] | None:
        """The capabilities that the token is limited to, or None if it has no such limit."""
        return self.spec.capabilities if self.status.issued is None else self.status.issued.capabilities

    def awaits_other_role(self, role: Role) -> bool:
        """Return whether `forRole` names another role than the given one, which its member has."""
        return self.spec.for_role not in (None, role)
