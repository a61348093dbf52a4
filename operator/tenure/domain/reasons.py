"""Condition types and reasons: they are API, and this is the one table of them."""

from dataclasses import dataclass
from enum import StrEnum

from tenure.domain.resources.base import ConditionStatus


class ConditionType(StrEnum):
    """What a condition speaks of."""

    READY = "Ready"
    STALLED = "Stalled"
    HAS_OWNER = "HasOwner"
    ROLES_BOUND = "RolesBound"


class Reason(StrEnum):
    """Why a condition is as it is."""

    ACTIVE = "Active"
    AWAITING_FIRST_OWNER = "AwaitingFirstOwner"
    BINDING_CONFLICT = "BindingConflict"
    BINDING_FORBIDDEN = "BindingForbidden"
    BOUND = "Bound"
    CLUSTER_ROLE_MISSING = "ClusterRoleMissing"
    DELETING = "Deleting"
    DUPLICATE_SUBJECT = "DuplicateSubject"
    EXPIRED = "Expired"
    ISSUED = "Issued"
    MEMBERSHIP_GONE = "MembershipGone"
    MEMBERSHIP_NOT_FOUND = "MembershipNotFound"
    NAMESPACE_TAKEN = "NamespaceTaken"
    NO_OWNER = "NoOwner"
    ORGANIZATION_GONE = "OrganizationGone"
    ORGANIZATION_NOT_FOUND = "OrganizationNotFound"
    OWNED = "Owned"
    POLICY_VIOLATION = "PolicyViolation"
    QUOTA_EXCEEDED = "QuotaExceeded"
    ROLE_CHANGED = "RoleChanged"
    ROLE_MISMATCH = "RoleMismatch"
    SECRET_CONFLICT = "SecretConflict"  # noqa: S105 - a reason, no password
    SECRET_EXPOSED = "SecretExposed"  # noqa: S105 - a reason, no password
    SECRET_REJECTED = "SecretRejected"  # noqa: S105 - a reason, no password
    SUSPENDED = "Suspended"


@dataclass(frozen=True)
class State:
    """A row of the reference's table of states."""

    kind: str
    type: ConditionType
    status: ConditionStatus
    reason: Reason
    meaning: str
    stalled: bool = False


_READY, _HAS_OWNER, _ROLES_BOUND = ConditionType.READY, ConditionType.HAS_OWNER, ConditionType.ROLES_BOUND
_TRUE, _FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE

STATES: tuple[State, ...] = (
    State("ApiKey", _READY, _TRUE, Reason.ISSUED, "The token in the Secret works."),
    State("ApiKey", _READY, _FALSE, Reason.MEMBERSHIP_NOT_FOUND, "Waits for its Membership."),
    State("ApiKey", _READY, _FALSE, Reason.ORGANIZATION_NOT_FOUND, "Waits for its member's Organization."),
    State("ApiKey", _READY, _FALSE, Reason.MEMBERSHIP_GONE, "Was issued; its Membership is gone.", stalled=True),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.ORGANIZATION_GONE,
        "Was issued; its Organization is gone.",
        stalled=True,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.ROLE_CHANGED,
        "Ended with its member's role; set forRole to the present role, or raise revision, to have it issued again.",
        stalled=True,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.ROLE_MISMATCH,
        "Approved, by forRole, for another role than its member's.",
        stalled=True,
    ),
    State("ApiKey", _READY, _FALSE, Reason.EXPIRED, "Its time is over.", stalled=True),
    State("ApiKey", _READY, _FALSE, Reason.SUSPENDED, "The key, its member or the organization is suspended."),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.SECRET_CONFLICT,
        "A Secret of its name exists that Tenure didn't make; it is left alone.",
        stalled=True,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.SECRET_REJECTED,
        "The API server rejects its Secret: a bad label in secretTemplate, or a quota of the namespace.",
        stalled=True,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.SECRET_EXPOSED,
        "A former holder of its name could read its Secret, and Tenure may not see or change that.",
        stalled=True,
    ),
    State("ApiKey", _READY, _FALSE, Reason.QUOTA_EXCEEDED, "The member has maxPerMember keys.", stalled=True),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.POLICY_VIOLATION,
        "The organization's requireExpiry or maxTTL forbids it.",
        stalled=True,
    ),
    State(
        "ApiKey",
        _READY,
        _FALSE,
        Reason.DUPLICATE_SUBJECT,
        "Its Membership has no effect: an older one is for the same subject.",
        stalled=True,
    ),
    State("ApiKey", _READY, _FALSE, Reason.DELETING, "Being deleted; a finalizer of another program holds it."),
    State("Membership", _READY, _TRUE, Reason.ACTIVE, "The role is in force."),
    State("Membership", _READY, _FALSE, Reason.ORGANIZATION_NOT_FOUND, "Waits for its Organization."),
    State("Membership", _READY, _FALSE, Reason.SUSPENDED, "The member or the organization is suspended."),
    State(
        "Membership",
        _READY,
        _FALSE,
        Reason.DUPLICATE_SUBJECT,
        "An older Membership is for the same subject; only the oldest has effect.",
        stalled=True,
    ),
    State("Organization", _READY, _TRUE, Reason.ACTIVE, "In force in its namespace."),
    State("Organization", _READY, _FALSE, Reason.SUSPENDED, "No key of the organization works."),
    State("Organization", _READY, _FALSE, Reason.NO_OWNER, "It lost its last owner."),
    State(
        "Organization",
        _READY,
        _FALSE,
        Reason.NAMESPACE_TAKEN,
        "An older Organization is in force in this namespace.",
        stalled=True,
    ),
    State("Organization", _HAS_OWNER, _TRUE, Reason.OWNED, "Somebody owns it."),
    State("Organization", _HAS_OWNER, _FALSE, Reason.AWAITING_FIRST_OWNER, "Nobody has owned it yet."),
    State("Organization", _HAS_OWNER, _FALSE, Reason.NO_OWNER, "It lost its last owner."),
    State("Organization", _ROLES_BOUND, _TRUE, Reason.BOUND, "Members hold their roles in Kubernetes too."),
    State(
        "Organization",
        _ROLES_BOUND,
        _FALSE,
        Reason.CLUSTER_ROLE_MISSING,
        "A ClusterRole of the four roles isn't installed; keys work all the same.",
    ),
    State(
        "Organization",
        _ROLES_BOUND,
        _FALSE,
        Reason.BINDING_FORBIDDEN,
        "Tenure lacks the right to bind roles; keys work all the same.",
    ),
    State(
        "Organization",
        _ROLES_BOUND,
        _FALSE,
        Reason.BINDING_CONFLICT,
        "A Role or RoleBinding of that name isn't Tenure's; it is left alone.",
    ),
)

STALLED: frozenset[Reason] = frozenset(state.reason for state in STATES if state.stalled)
"""Reasons for which waiting is hopeless: somebody has to act."""
