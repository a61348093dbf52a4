"""What `status.invitation` says about the delivery of a letter."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tenure.domain.letters.letter import Letter
from tenure.domain.letters.limits import Held
from tenure.domain.resources import Membership
from tenure.domain.resources.base import format_time
from tenure.domain.resources.invitation import Invitation

SENT, REJECTED, WAITING, HELD, NO_ADDRESS = "Sent", "Rejected", "Waiting", "Held", "NoAddress"

Fields = Mapping[str, Any]
"""Fields of `status.invitation`. None removes a field."""


def sent_fields(letter: Letter, now: datetime, expires_at: datetime | None, remark: str | None = None) -> Fields:
    """Return what to write once the mail server took an invitation. The remark says what isn't as asked for.

    The replica that took a request may have a clock that is ahead. The letter answers the request all the same.
    """
    return {
        "generation": letter.member.metadata.generation,
        "sentAt": format_time(max(now, letter.resent_at or now)),
        "sentTo": letter.address,
        "expiresAt": None if expires_at is None else format_time(expires_at),
        "delivery": SENT,
        "message": None if remark is None else f"Sent {remark}.",
    }


def rejected_fields(letter: Letter, words: str) -> Fields:
    """Return what to write once the mail server rejected an invitation for good."""
    return {
        "generation": letter.member.metadata.generation,
        "requestedAt": None,
        "delivery": REJECTED,
        "message": f"The letter to {letter.address} was rejected: {words}. Correct the address in "
        "spec.invitations.addresses of the Organization.",
    }


def waiting_fields(words: str) -> Fields:
    """Return what to write while the mail server doesn't take an invitation."""
    return {
        "delivery": WAITING,
        "message": f"The mail server hasn't taken the letter yet: {words}. Tenure tries again.",
    }


def held_fields(held: Held) -> Fields:
    """Return what to write while a limit holds an invitation back."""
    return {"delivery": HELD, "message": f"Held until {held_until(held)}, because {held.reason}."}


def held_until(held: Held) -> str:
    """Return until when a letter is held, for people, in whole minutes."""
    late = held.until.replace(second=0) + timedelta(minutes=held.until.second > 0)
    return f"{late:%Y-%m-%d %H:%M} UTC"


def no_address_fields(member: Membership) -> Fields:
    """Return what to write if the address of a member isn't known."""
    return {
        "delivery": NO_ADDRESS,
        "message": f"{member.spec.subject.name} isn't an e-mail address. Set one in spec.invitations.addresses of the "
        "Organization.",
    }


def without_lost_request(fields: Fields, answered: Invitation | None, present: Invitation | None) -> Fields:
    """Return the fields to write, which don't remove a request that came after the letter that they are about."""
    asked = present.requested_at if present is not None else None
    if "requestedAt" not in fields or asked == (answered.requested_at if answered is not None else None):
        return fields
    return {name: value for name, value in fields.items() if name != "requestedAt"}


def is_written(fields: Fields, invitation: Invitation | None) -> bool:
    """Return whether the status says all of this already."""
    if invitation is None:
        return False
    written = invitation.model_dump(by_alias=True, mode="json")
    return all(written[name] == value for name, value in fields.items())
