"""Plans what follows from invitations: whether a key waits, the conditions, and since when a mode applies."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tenure.domain.conditions import find_condition, renew_condition
from tenure.domain.invitations.mail import asks_for_letters, no_mail_message
from tenure.domain.invitations.state import address_of, awaits_acceptance, counts_as_accepted, is_invited
from tenure.domain.planning.observation import Obstacle
from tenure.domain.reasons import ConditionType, Reason
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import Condition, format_time
from tenure.domain.resources.invitation import Invitation, InvitationMode
from tenure.domain.text import printable, shortened

_MAX_ANSWER = 300
"""How much of a mail server's answer a condition repeats."""

_DELIVERIES = {reason.value: reason for reason in (Reason.SENT, Reason.REJECTED, Reason.HELD)}
"""What became of a letter, as far as it has a reason of its own. Anything else is still on its way."""

_WHY = {
    Reason.SENT: "The mail server took the invitation",
    Reason.REJECTED: "The mail server refused the invitation",
    Reason.HELD: "The invitation is held back",
    Reason.WAITING: "The invitation isn't sent yet",
}


def invitation_obstacle(membership: Membership, organization: Organization) -> Obstacle | None:
    """Return why a key waits for its member's acceptance, or None if it doesn't."""
    if not awaits_acceptance(membership, organization):
        return None
    return Obstacle(
        Reason.INVITATION_PENDING,
        f"Not issued yet: waiting until {membership.spec.subject.name} accepts the invitation to Organization "
        f"{organization.name} (spec.invitations.mode: RequireAcceptance).",
    )


def invitation_conditions(membership: Membership, organization: Organization, now: datetime) -> list[Condition]:
    """Return the conditions Notified and Accepted of a member, as far as they apply. They are never part of Ready."""
    found = [
        (ConditionType.NOTIFIED, _notified(membership, organization)),
        (ConditionType.ACCEPTED, _accepted(membership, organization)),
    ]
    return [
        renew_condition(
            membership.status.conditions,
            type_,
            holds=holds,
            reason=state.reason,
            message=state.message,
            generation=membership.metadata.generation,
            now=now,
        )
        for type_, (holds, state) in ((type_, one) for type_, one in found if one is not None)
    ]


def times_in_force(
    organization: Organization, members: Sequence[Membership], now: datetime
) -> dict[str, datetime | None]:
    """Return since when the mode has invited new members, and since when it has asked for their acceptance.

    A time is noted once and stays until the mode changes, so that whoever was a member at the change counts as
    accepted. It is no earlier than the newest member, because the API server's clock may be ahead.
    """
    mode, status = organization.invitation_mode, organization.status
    begins = max([now.replace(microsecond=0), *(member.metadata.creation_timestamp for member in members)])
    return {
        "invitations_since": None if mode is InvitationMode.NONE else status.invitations_since or begins,
        "acceptance_since": status.acceptance_since or begins if mode is InvitationMode.REQUIRE_ACCEPTANCE else None,
    }


def mail_condition(organization: Organization, now: datetime, *, runs: bool | None) -> list[Condition]:
    """Return the condition MailAvailable if the Organization asks for letters. An unknown state changes nothing."""
    old = organization.status.conditions
    if not asks_for_letters(organization):
        return []
    if runs is None:
        known = find_condition(old, ConditionType.MAIL_AVAILABLE)
        return [] if known is None else [known]
    condition = renew_condition(
        old,
        ConditionType.MAIL_AVAILABLE,
        holds=runs,
        reason=Reason.RUNNING if runs else Reason.NO_MAIL_PROCESS,
        message="The mail process runs." if runs else no_mail_message(organization),
        generation=organization.metadata.generation,
        now=now,
    )
    return [condition]


def _notified(membership: Membership, organization: Organization) -> tuple[bool, Obstacle] | None:
    """Return what became of the letter, or None for those who get none, or accepted without one."""
    if not is_invited(membership, organization):
        return None
    invitation = membership.status.invitation or Invitation()
    if membership.has_accepted and invitation.delivery != Reason.SENT:
        return None
    if address_of(membership, organization) is None:
        entry = f"{{name: {membership.name}, address: …}}"
        return False, Obstacle(
            Reason.NO_ADDRESS,
            f"No invitation is sent, because {membership.spec.subject.name} is no e-mail address. Add {entry} to "
            f"spec.invitations.addresses of Organization {organization.name}.",
        )
    reason = _delivery(invitation, membership, organization)
    return reason is Reason.SENT, Obstacle(reason, "".join(_describe(reason, invitation)))


def _delivery(invitation: Invitation, membership: Membership, organization: Organization) -> Reason:
    """Return what became of the letter. One that names a former role doesn't count until the person has accepted."""
    outdated = invitation.generation != membership.metadata.generation
    if outdated and awaits_acceptance(membership, organization):
        return Reason.WAITING
    return _DELIVERIES.get(invitation.delivery or "", Reason.WAITING)


def _describe(reason: Reason, invitation: Invitation) -> Iterator[str]:
    yield _WHY[reason]
    if reason is Reason.SENT and invitation.sent_at is not None:
        yield f" at {format_time(invitation.sent_at)}"
    answer = shortened(printable(invitation.message or ""), _MAX_ANSWER)
    yield f": {answer}" if answer else "."


def _accepted(membership: Membership, organization: Organization) -> tuple[bool, Obstacle] | None:
    """Return whether the person accepted, or None where nobody has to."""
    if organization.invitation_mode is not InvitationMode.REQUIRE_ACCEPTANCE or not membership.is_person:
        return None
    invitation = membership.status.invitation or Invitation()
    if invitation.accepted_at is not None:
        return True, Obstacle(Reason.ACCEPTED, f"Accepted at {format_time(invitation.accepted_at)}.")
    if counts_as_accepted(membership, organization):
        return True, Obstacle(
            Reason.NOT_REQUIRED, "Counts as accepted: a member since before acceptance was required, or at its start."
        )
    until = ""
    if invitation.expires_at is not None and invitation.generation == membership.metadata.generation:
        until = f" The link in the latest letter expires at {format_time(invitation.expires_at)}."
    return False, Obstacle(
        Reason.INVITATION_PENDING,
        f"Waiting until {membership.spec.subject.name} accepts the invitation. Until then Tenure issues no key to this "
        f"member and gives no rights in Kubernetes.{until}",
    )
