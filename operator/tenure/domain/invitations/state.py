"""Finds out whether a member is invited, has to accept, and has accepted.

Nobody is locked out: whoever was a member before an Organization's mode was set counts as accepted. So does everybody
who comes within ten minutes of it, or of the Organization itself, because one commit may hold all of them, and a
restore creates them again.
"""

from datetime import datetime, timedelta

from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.invitation import InvitationMode

ARRIVAL = timedelta(minutes=10)
"""How long after an Organization, or after its mode was set, its first members come."""


def is_invited(membership: Membership, organization: Organization) -> bool:
    """Return whether a person is to be invited by a letter: one who came after the mode was set.

    Before the controller has noted when that was, nobody is.
    """
    if organization.invitation_mode is InvitationMode.NONE or not membership.is_person:
        return False
    since = organization.status.invitations_since
    return since is not None and not _was_there(membership, organization, since)


def counts_as_accepted(membership: Membership, organization: Organization) -> bool:
    """Return whether a member need not accept: a service account, or one from before the mode was set.

    Before the controller has noted when that was, nobody needs to, because everybody known so far is from before.
    """
    if organization.invitation_mode is not InvitationMode.REQUIRE_ACCEPTANCE or not membership.is_person:
        return True
    since = organization.status.acceptance_since
    return since is None or _was_there(membership, organization, since)


def awaits_acceptance(membership: Membership, organization: Organization) -> bool:
    """Return whether a member gets no key and no rights in Kubernetes until the person accepts.

    This holds back what isn't issued yet. It never decides whether a token is valid.
    """
    return not membership.has_accepted and not counts_as_accepted(membership, organization)


def address_of(membership: Membership, organization: Organization) -> str | None:
    """Return the e-mail address of a person, or None if it isn't known.

    An address in `spec.invitations.addresses` goes first, because a name of the identity provider that looks like an
    address needn't have a mailbox.
    """
    if not membership.is_person:
        return None
    rules = organization.spec.invitations
    listed = (rules.addresses if rules is not None else None) or ()
    subject = membership.spec.subject
    own = subject.name if subject.is_address else None
    return next((entry.address for entry in listed if entry.name == membership.name), own)


def _was_there(membership: Membership, organization: Organization, since: datetime) -> bool:
    """Return whether a member came before `since`, or with the Organization, or within ten minutes of these."""
    return membership.metadata.creation_timestamp <= max(since, organization.metadata.creation_timestamp) + ARRIVAL
