"""The table of all condition types and reasons, which are part of the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from tenure.domain.resources.base import ConditionStatus


class ConditionType(StrEnum):
    """The type of a condition."""

    READY = "Ready"
    STALLED = "Stalled"
    ACCEPTED = "Accepted"
    HAS_OWNER = "HasOwner"
    MAIL_AVAILABLE = "MailAvailable"
    NOTIFIED = "Notified"
    ROLES_BOUND = "RolesBound"
    SECRET_TEMPLATE_APPLIED = "SecretTemplateApplied"  # noqa: S105 - a type, no password
    ROTATING = "Rotating"
    UNUSED = "Unused"


class Reason(StrEnum):
    """The reason of a condition."""

    ACCEPTED = "Accepted"
    ACTIVE = "Active"
    APPLIED = "Applied"
    ANNOUNCED = "Announced"
    AWAITING_FIRST_OWNER = "AwaitingFirstOwner"
    AWAITING_NEXT_TOKEN = "AwaitingNextToken"  # noqa: S105 - a reason, no password
    BINDING_CONFLICT = "BindingConflict"
    BINDING_FORBIDDEN = "BindingForbidden"
    BOUND = "Bound"
    CLUSTER_ROLE_MISSING = "ClusterRoleMissing"
    DELETING = "Deleting"
    DUPLICATE_SUBJECT = "DuplicateSubject"
    EXPIRED = "Expired"
    FORMER_TOKEN_VALID = "FormerTokenValid"  # noqa: S105 - a reason, no password
    HAND_OVER_PENDING = "HandOverPending"
    HELD = "Held"
    INVITATION_PENDING = "InvitationPending"
    ISSUED = "Issued"
    MEMBERSHIP_GONE = "MembershipGone"
    MEMBERSHIP_NOT_FOUND = "MembershipNotFound"
    NAMESPACE_TAKEN = "NamespaceTaken"
    NO_ADDRESS = "NoAddress"
    NO_MAIL_PROCESS = "NoMailProcess"
    NO_OWNER = "NoOwner"
    NOT_REQUIRED = "NotRequired"
    NOT_USED = "NotUsed"
    ORGANIZATION_GONE = "OrganizationGone"
    ORGANIZATION_NOT_FOUND = "OrganizationNotFound"
    OWNED = "Owned"
    POLICY_VIOLATION = "PolicyViolation"
    QUOTA_EXCEEDED = "QuotaExceeded"
    REJECTED = "Rejected"
    ROLE_CHANGED = "RoleChanged"
    ROLE_MISMATCH = "RoleMismatch"
    RUNNING = "Running"
    SECRET_CONFLICT = "SecretConflict"  # noqa: S105 - a reason, no password
    SECRET_EXPOSED = "SecretExposed"  # noqa: S105 - a reason, no password
    SECRET_REJECTED = "SecretRejected"  # noqa: S105 - a reason, no password
    SENT = "Sent"
    SUSPENDED = "Suspended"
    WAITING = "Waiting"


@dataclass(frozen=True)
class State:
    """A row of the reference's table of states.

    Attributes:
        kind: The kind of the object that has the condition.
        type: The condition's type.
        status: The condition's status.
        reason: The condition's reason.
        meaning: The explanation for users.
        stalled: Whether the state lasts until a user acts, so that Tenure also sets `Stalled=True`.
        grace: How long `Stalled` is False first, because other writes that are on their way may end the state.
        event: Whether the controller posts an Event when the state begins. It doesn't for a state that follows from a
            change to another object, because that object has an Event, and here each key would have one.
    """

    kind: str
    type: ConditionType
    status: ConditionStatus
    reason: Reason
    meaning: str
    stalled: bool = False
    event: bool = False
    grace: timedelta = timedelta()


_READY, _HAS_OWNER, _ROLES_BOUND = ConditionType.READY, ConditionType.HAS_OWNER, ConditionType.ROLES_BOUND
_SECRET_TEMPLATE_APPLIED = ConditionType.SECRET_TEMPLATE_APPLIED
_ROTATING = ConditionType.ROTATING
_NOTIFIED, _ACCEPTED, _MAIL = ConditionType.NOTIFIED, ConditionType.ACCEPTED, ConditionType.MAIL_AVAILABLE
_TRUE, _FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE

_COMMIT = timedelta(seconds=5)
"""The grace of a state that another write of the same commit may end. A tool that waits for health takes a change back
if it sees `Stalled` between two of its own writes."""

_SYNC = timedelta(minutes=10)
"""The grace of a reference to an object that isn't there. It may come by another sync, which a tool retries. No tool
waits that long for health by default, so none takes a change back for an object that still comes."""

STATES: tuple[State, ...] = (
    State("ApiKey", _READY, _TRUE, Reason.ISSUED, "The token in the Secret works."),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.MEMBERSHIP_NOT_FOUND,
        "Not issued yet. It waits for its Membership.",
        stalled=True,
        grace=_SYNC,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.ORGANIZATION_NOT_FOUND,
        "Not issued yet. It waits for its member's Organization.",
        stalled=True,
        grace=_SYNC,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.MEMBERSHIP_GONE,
        "Its Membership was deleted. The next Membership of that name doesn't get the key unless you raise revision.",
        stalled=True,
        grace=_COMMIT,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.ORGANIZATION_GONE,
        "Revoked, because its Organization was deleted.",
        stalled=True,
        grace=_COMMIT,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.ROLE_CHANGED,
        "The role has changed since the key was issued or first waited. To have it issued, set forRole to the present "
        "role or raise revision.",
        stalled=True,
        grace=_COMMIT,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.ROLE_MISMATCH,
        "It waits, because its forRole names another role than its member has.",
        stalled=True,
        grace=_COMMIT,
    ),
    State("ApiKey", _READY, _FALSE, Reason.EXPIRED, "Its ttl or expiresAt is over.", stalled=True, event=True),
    State("ApiKey", _READY, _FALSE, Reason.SUSPENDED, "The key, its member or the organization is suspended."),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.INVITATION_PENDING,
        "Not issued yet. It waits until its member accepts the invitation.",
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.SECRET_CONFLICT,
        "A Secret with its name exists that isn't Tenure's. Tenure doesn't change it. Delete it to have the key "
        "issued.",
        stalled=True,
        event=True,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.SECRET_REJECTED,
        "The API server rejects its Secret, for example because of a label in secretTemplate or a quota of the "
        "namespace.",
        stalled=True,
        event=True,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.SECRET_EXPOSED,
        "Another member could still read its Secret, and Tenure lacks the rights to change that.",
        stalled=True,
        event=True,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.QUOTA_EXCEEDED,
        "The member already has maxPerMember keys.",
        stalled=True,
        event=True,
        grace=_COMMIT,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.POLICY_VIOLATION,
        "The organization's requireExpiry, maxTTL or rotateWithin doesn't allow it.",
        stalled=True,
        event=True,
        grace=_COMMIT,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.DUPLICATE_SUBJECT,
        "Its Membership has no effect, because an older one has the same subject.",
        stalled=True,
        grace=_COMMIT,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.DELETING,
        "Revoked. The ApiKey is being deleted, and another program's finalizer still keeps it.",
    ),
    State(
        "ApiKey",
        _SECRET_TEMPLATE_APPLIED,
        _TRUE,
        Reason.APPLIED,
        "The Secret has the labels, annotations and tokenKey of secretTemplate.",
    ),
    State(
        "ApiKey",
        _SECRET_TEMPLATE_APPLIED,
        _FALSE,
        Reason.AWAITING_NEXT_TOKEN,
        "secretTemplate was changed, or the organization's secretMetadataPrefixes. The token works, and the change "
        "applies to the next one.",
    ),
    State("ApiKey", _ROTATING, _TRUE, Reason.ANNOUNCED, "The next token is announced, and about to be delivered."),
    State(
        "ApiKey",
        _ROTATING,
        _FALSE,
        Reason.FORMER_TOKEN_VALID,
        "A rotation is due. It waits until the former token expires.",
    ),
    State(
        "ApiKey",
        _ROTATING,
        _FALSE,
        Reason.HAND_OVER_PENDING,
        "spec.membership names another member, who can't get a token now: the Membership is missing, suspended or has "
        "maxPerMember keys, for example, or the key is suspended. The present token isn't revoked.",
    ),
    State(
        "ApiKey",
        _ROTATING,
        _FALSE,
        Reason.POLICY_VIOLATION,
        "A rotation is due. The organization's rules on expiry and rotation don't allow a new token. The present one "
        "stays valid.",
    ),
    State(
        "ApiKey",
        _ROTATING,
        _FALSE,
        Reason.DUPLICATE_SUBJECT,
        "A rotation is due. An older Membership has the same subject, so no new token is issued. The present one stays "
        "valid.",
    ),
    State(
        "ApiKey",
        _ROTATING,
        _FALSE,
        Reason.SECRET_REJECTED,
        "A rotation is due. The API server rejects the Secret with the new token. The present one stays valid.",
    ),
    State(
        "ApiKey",
        _ROTATING,
        _FALSE,
        Reason.SECRET_EXPOSED,
        "A rotation is due. Another member could read the new token in the Secret. The present one stays valid.",
    ),
    State(
        "ApiKey",
        ConditionType.UNUSED,
        _TRUE,
        Reason.NOT_USED,
        "The key works, and hasn't been used for longer than the organization's unusedAfter. Nothing is revoked.",
        event=True,
    ),
    State("Membership", _READY, _TRUE, Reason.ACTIVE, "The role is in force."),
    State(
        "Membership",
        _READY,
        _FALSE,
        Reason.ORGANIZATION_NOT_FOUND,
        "It waits for its Organization.",
        stalled=True,
        grace=_SYNC,
    ),
    State("Membership", _READY, _FALSE, Reason.SUSPENDED, "The member or the organization is suspended."),
    State(
        "Membership",
        _READY,
        _FALSE,
        Reason.DUPLICATE_SUBJECT,
        "An older Membership has the same subject, and only the oldest one has effect.",
        stalled=True,
        event=True,
    ),
    State("Membership", _NOTIFIED, _TRUE, Reason.SENT, "The mail server took the invitation."),
    State(
        "Membership",
        _NOTIFIED,
        _FALSE,
        Reason.WAITING,
        "The invitation isn't sent yet, or the mail server didn't take it and it is tried again.",
    ),
    State(
        "Membership",
        _NOTIFIED,
        _FALSE,
        Reason.HELD,
        "The invitation is held back, because too many letters went to this address or from this organization.",
    ),
    State("Membership", _NOTIFIED, _FALSE, Reason.REJECTED, "The mail server refused the invitation.", event=True),
    State(
        "Membership",
        _NOTIFIED,
        _FALSE,
        Reason.NO_ADDRESS,
        "The member's e-mail address isn't known. Add it to spec.invitations.addresses of the Organization.",
    ),
    State("Membership", _ACCEPTED, _TRUE, Reason.ACCEPTED, "The person accepted the invitation."),
    State(
        "Membership",
        _ACCEPTED,
        _TRUE,
        Reason.NOT_REQUIRED,
        "The person was a member before acceptance was required, so counts as accepted.",
    ),
    State(
        "Membership",
        _ACCEPTED,
        _FALSE,
        Reason.INVITATION_PENDING,
        "The person hasn't accepted yet. Until then the member gets no key and no rights in Kubernetes.",
    ),
    State("Organization", _READY, _TRUE, Reason.ACTIVE, "The organization is in force in its namespace."),
    State(
        "Organization", _READY, _FALSE, Reason.SUSPENDED, "The organization is suspended, so none of its keys works."
    ),
    State("Organization", _READY, _FALSE, Reason.NO_OWNER, "The last Owner is gone.", event=True),
    State(
        "Organization",
        _READY,
        _FALSE,
        Reason.NAMESPACE_TAKEN,
        "An older Organization is in force in this namespace.",
        stalled=True,
        event=True,
    ),
    State("Organization", _HAS_OWNER, _TRUE, Reason.OWNED, "The organization has an Owner."),
    State("Organization", _HAS_OWNER, _FALSE, Reason.AWAITING_FIRST_OWNER, "The organization has never had an Owner."),
    State("Organization", _HAS_OWNER, _FALSE, Reason.NO_OWNER, "The last Owner is gone."),
    State("Organization", _ROLES_BOUND, _TRUE, Reason.BOUND, "Members have the rights of their roles in Kubernetes."),
    State(
        "Organization",
        _ROLES_BOUND,
        _FALSE,
        Reason.CLUSTER_ROLE_MISSING,
        "A ClusterRole of the four roles isn't installed. Keys work regardless.",
    ),
    State(
        "Organization",
        _ROLES_BOUND,
        _FALSE,
        Reason.BINDING_FORBIDDEN,
        "Tenure lacks the right to bind roles. Keys work regardless.",
    ),
    State(
        "Organization",
        _ROLES_BOUND,
        _FALSE,
        Reason.BINDING_CONFLICT,
        "A Role or RoleBinding has the name that Tenure needs and isn't Tenure's. Tenure doesn't change it.",
    ),
    State("Organization", _MAIL, _TRUE, Reason.RUNNING, "The mail process runs."),
    State(
        "Organization",
        _MAIL,
        _FALSE,
        Reason.NO_MAIL_PROCESS,
        "The organization asks for letters, and no mail process runs that sends them.",
    ),
)

STALLED: frozenset[Reason] = frozenset(state.reason for state in STATES if state.stalled)
"""Reasons that last until a user acts."""

GRACE: Mapping[tuple[str, str], timedelta] = {
    (state.kind, state.reason): state.grace for state in STATES if state.grace
}
"""How long `Stalled` is False first, by kind and reason."""
