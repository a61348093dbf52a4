"""Decides whether a mail process runs, by its Lease, and says what it means if none does."""

from datetime import datetime, timedelta

from tenure.domain.lease import Lease
from tenure.domain.resources import Organization
from tenure.domain.resources.invitation import InvitationMode

_SKEW = timedelta(minutes=2)
"""How much the clocks of two machines may differ."""


def asks_for_letters(organization: Organization) -> bool:
    """Return whether an Organization asks for letters of any kind, so that the mail process has to run."""
    letters = organization.spec.notifications
    notifies = letters is not None and (letters.role_changed or letters.keys_expiring or letters.keys_revoked)
    return bool(notifies) or organization.invitation_mode is not InvitationMode.NONE


def mail_runs(lease: Lease | None, now: datetime, before: Lease | None = None) -> bool:
    """Return whether the holder of the mail process' Lease renews it.

    A Lease that has changed since it was read `before` is renewed, however wrong its holder's clock is.
    """
    if lease is None or not lease.holder:
        return False
    renewed = before is not None and before.resource_version != lease.resource_version
    return renewed or not lease.expired(now - _SKEW)


def no_mail_message(organization: Organization) -> str:
    """Return what the lack of a mail process means for an Organization, and what to do about it."""
    pending = ""
    if organization.invitation_mode is InvitationMode.REQUIRE_ACCEPTANCE:
        pending = " New members can't accept, so they get no keys and no rights in Kubernetes."
    return (
        f"No mail process runs, so no letter is sent.{pending} Install it with the chart's value mail.enabled=true, or "
        "remove spec.invitations and spec.notifications."
    )
