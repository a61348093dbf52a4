"""Words the warnings about invitations. No rule rejects a change because of them."""

from collections.abc import Iterator
from datetime import datetime

from tenure.domain.admission.request import Change
from tenure.domain.invitations.mail import asks_for_letters, no_mail_message
from tenure.domain.invitations.state import address_of, awaits_acceptance, counts_as_accepted, is_invited
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.invitation import InvitationMode


def newly_asks_for_letters(change: Change[Organization]) -> bool:
    """Return whether a change makes an Organization ask for letters, or for other invitations than before."""
    old, new = change.old, change.new
    if new is None or not asks_for_letters(new):
        return False
    return old is None or not asks_for_letters(old) or old.invitation_mode is not new.invitation_mode


def invitation_warnings(change: Change[Organization], mail_runs: bool | None) -> Iterator[str]:  # noqa: FBT001
    """Yield the warnings about an Organization's new mode. `mail_runs` is None if it isn't known."""
    new = change.new
    if new is None:
        return
    before = change.old.invitation_mode if change.old is not None else InvitationMode.NONE
    asks, asked = (one is InvitationMode.REQUIRE_ACCEPTANCE for one in (new.invitation_mode, before))
    if asks and not asked:
        yield (
            "spec.invitations.mode: new members get keys and rights in Kubernetes only once they accept. The present "
            "ones, and those of the next 10 minutes, count as accepted."
        )
    if asked and not asks:
        yield "spec.invitations.mode: members who haven't accepted yet get their keys and rights in Kubernetes now."
    if mail_runs is False and newly_asks_for_letters(change):
        yield f"spec.{'invitations' if new.invitation_mode is not InvitationMode.NONE else 'notifications'}: " + (
            no_mail_message(new)
        )


def newcomer_warnings(member: Membership, organization: Organization | None, now: datetime) -> Iterator[str]:
    """Yield the warnings that a new member has to accept first, or that no letter can reach the person."""
    newcomer = member.model_copy(
        update={"metadata": member.metadata.model_copy(update={"creation_timestamp": now})},
    )
    if organization is None or not is_invited(newcomer, organization):
        return
    if not counts_as_accepted(newcomer, organization):
        yield (
            f"spec.subject: {member.spec.subject.name} has to accept the invitation first. Until then, keys of "
            f"{member.name} wait (InvitationPending), and the person has no rights in Kubernetes."
        )
    if address_of(newcomer, organization) is None:
        yield (
            f"spec.subject.name: {member.spec.subject.name} is no e-mail address, so no invitation is sent. Add "
            f"{{name: {member.name}, address: …}} to spec.invitations.addresses of Organization {organization.name}."
        )


def pending_key_warning(membership: Membership | None, organization: Organization | None) -> str | None:
    """Return the warning that a key waits until its member accepts the invitation, or None."""
    if membership is None or organization is None or not awaits_acceptance(membership, organization):
        return None
    return (
        f"spec.membership: the key waits (InvitationPending) until {membership.spec.subject.name} accepts the "
        f"invitation to Organization {organization.name}."
    )
