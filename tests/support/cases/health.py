"""What GitOps tools should make of each state, and of an object that Tenure hasn't looked at yet."""

from typing import Any, NamedTuple

Body = dict[str, Any]


class Seen(NamedTuple):
    """A state as tools see it."""

    kstatus: str
    """As the library of Flux and others computes it, left alone."""

    health: str
    """As our scripts for Argo CD and our expressions for Flux have it."""


READY = Seen("Current", "Healthy")
WAITS = Seen("InProgress", "Progressing")
STALLED = Seen("Failed", "Degraded")
SUSPENDED = Seen("InProgress", "Healthy")
"""kstatus takes it for something that is still under way; a sync must not wait for it."""

PENDING = SUSPENDED
"""A person's delay must not turn a sync red."""

OWNERLESS = Seen("InProgress", "Degraded")
GOING = Seen("Terminating", "Progressing")

SEEN: dict[str, Seen] = {
    "ApiKey Ready=True Issued": READY,
    "ApiKey Ready=False MembershipNotFound": STALLED,
    "ApiKey Ready=False OrganizationNotFound": STALLED,
    "ApiKey Ready=False MembershipGone": STALLED,
    "ApiKey Ready=False OrganizationGone": STALLED,
    "ApiKey Ready=False RoleChanged": STALLED,
    "ApiKey Ready=False RoleMismatch": STALLED,
    "ApiKey Ready=False Expired": STALLED,
    "ApiKey Ready=False Suspended": SUSPENDED,
    "ApiKey Ready=False InvitationPending": PENDING,
    "ApiKey Ready=False SecretConflict": STALLED,
    "ApiKey Ready=False SecretRejected": STALLED,
    "ApiKey Ready=False QuotaExceeded": STALLED,
    "ApiKey Ready=False PolicyViolation": STALLED,
    "ApiKey Ready=False DuplicateSubject": STALLED,
    "ApiKey Ready=False Deleting": GOING,
    "ApiKey SecretTemplateApplied=True Applied": READY,
    "ApiKey SecretTemplateApplied=False AwaitingNextToken": READY,
    "ApiKey Rotating=False FormerTokenValid": READY,
    "ApiKey Rotating=False HandOverPending": READY,
    "ApiKey Rotating=False PolicyViolation": READY,
    "ApiKey Rotating=False SecretRejected": READY,
    "Membership Ready=True Active": READY,
    "Membership Ready=False OrganizationNotFound": STALLED,
    "Membership Ready=False Suspended": SUSPENDED,
    "Membership Ready=False DuplicateSubject": STALLED,
    "Membership Notified=True Sent": READY,
    "Membership Notified=False Waiting": READY,
    "Membership Notified=False Held": READY,
    "Membership Notified=False Rejected": READY,
    "Membership Notified=False NoAddress": READY,
    "Membership Accepted=True Accepted": READY,
    "Membership Accepted=True NotRequired": READY,
    "Membership Accepted=False InvitationPending": READY,
    "Organization Ready=True Active": READY,
    "Organization Ready=False Suspended": SUSPENDED,
    "Organization Ready=False NoOwner": OWNERLESS,
    "Organization Ready=False NamespaceTaken": STALLED,
    "Organization HasOwner=True Owned": READY,
    "Organization HasOwner=False AwaitingFirstOwner": READY,
    "Organization HasOwner=False NoOwner": OWNERLESS,
    "Organization RolesBound=True Bound": READY,
    "Organization RolesBound=False BindingConflict": READY,
    "Organization MailAvailable=False NoMailProcess": READY,
    "ApiKey new": WAITS,
    "Membership new": WAITS,
    "Organization new": WAITS,
    "ApiKey changed": WAITS,
    "Membership changed": WAITS,
    "Organization changed": WAITS,
}


def conditions(body: Body) -> dict[str, Body]:
    """The conditions of an object, by type."""
    return {condition["type"]: condition for condition in body["status"].get("conditions", ())}
