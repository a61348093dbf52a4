"""Decides what people can ask for about an invitation: another letter, or its link to pass it on themselves."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tenure.domain.durations import parse_duration
from tenure.domain.invitations.state import address_of, awaits_acceptance, is_invited
from tenure.domain.reasons import Reason
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import format_time

DEFAULT_LIFE = timedelta(hours=168)


def life_of(organization: Organization) -> timedelta:
    """Return how long the link of an invitation can be used."""
    invitations = organization.spec.invitations
    text = invitations.expires_after if invitations is not None else None
    return parse_duration(text) if text else DEFAULT_LIFE


def pending_requests(members: Iterable[Membership]) -> Mapping[str, datetime]:
    """Return since when somebody has asked to send an invitation again, by the Membership's uid.

    It stands in the status, so every replica can take a request, and the leader answers it after a crash too.
    """
    times = {one.metadata.uid: pending_since(one) for one in members}
    return {uid: at for uid, at in times.items() if at is not None}


def pending_since(membership: Membership) -> datetime | None:
    """Return when somebody asked to send an invitation again, or None if it was sent since then."""
    invitation = membership.status.invitation
    if invitation is None or invitation.requested_at is None or invitation.accepted_at is not None:
        return None
    sent = invitation.sent_at is not None and invitation.sent_at >= invitation.requested_at
    return None if sent else invitation.requested_at


def next_request(membership: Membership, now: datetime) -> datetime:
    """Return the time of a new request, in whole seconds, which is later than that of the latest letter."""
    invitation = membership.status.invitation
    sent = invitation.sent_at if invitation is not None else None
    moment = now.replace(microsecond=0)
    return moment if sent is None else max(moment, sent + timedelta(seconds=1))


def link_fields(membership: Membership, expires_at: datetime) -> Mapping[str, Any]:
    """Return the fields of `status.invitation` to write once a link was given out.

    They are empty while the letter about a new role is due. With that role's generation, it would count as sent.
    """
    invitation, generation = membership.status.invitation, membership.metadata.generation
    told = invitation is not None and (invitation.sent_at is not None or invitation.delivery == Reason.REJECTED)
    if invitation is not None and told and invitation.generation != generation:
        return {}
    return {"generation": generation, "expiresAt": format_time(expires_at)}


def why_no_letter(membership: Membership, organization: Organization | None) -> str:
    """Return why an invitation can't be sent again, with what to do. Empty if it can."""
    if flaw := _why_not_invited(membership, organization) or _why_accepted(membership):
        return flaw
    if organization is not None and address_of(membership, organization) is None:
        return (
            f"The e-mail address of {membership.name} isn't known. Add it to spec.invitations.addresses of the "
            "Organization, or ask for the link"
        )
    return ""


def why_no_link(membership: Membership, organization: Organization | None) -> str:
    """Return why an invitation has no link to accept it, with what to do. Empty if it has one."""
    if flaw := _why_not_invited(membership, organization) or _why_accepted(membership):
        return flaw
    if organization is not None and not awaits_acceptance(membership, organization):
        return f"{membership.name} doesn't have to accept, so there is no link"
    return ""


def _why_not_invited(membership: Membership, organization: Organization | None) -> str:
    if organization is None or organization.name != membership.spec.organization:
        return f"The Organization {membership.spec.organization} of {membership.name} isn't in force"
    if membership.metadata.deleting:
        return f"The Membership {membership.name} is being deleted"
    if not is_invited(membership, organization):
        return (
            f"{membership.name} isn't invited. Only people are, who came after spec.invitations.mode of the "
            "Organization was set"
        )
    return ""


def _why_accepted(membership: Membership) -> str:
    invitation = membership.status.invitation
    accepted = invitation is not None and invitation.accepted_at is not None
    return f"{membership.name} has accepted the invitation" if accepted else ""
