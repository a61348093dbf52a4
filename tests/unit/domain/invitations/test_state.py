"""Who is invited, who has to accept, and where letters go."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from support.objects.builders import CREATED, NOW, membership, organization
from tenure.domain.invitations.state import ARRIVAL, address_of, awaits_acceptance, counts_as_accepted, is_invited
from tenure.domain.resources.base import format_time

SINCE = NOW - timedelta(days=2)
LATER = SINCE + ARRIVAL + timedelta(seconds=1)
"""The first moment at which a new member has to accept."""

ACCEPTED = {"generation": 1, "acceptedAt": format_time(NOW)}
SENT = {"generation": 1, "sentAt": format_time(NOW), "delivery": "Sent"}


class Row(NamedTuple):
    """A member and an organization, and what follows: whether there is a letter, and whether it has to be accepted."""

    invited: bool
    awaits: bool
    created: datetime = LATER
    mode: str | None = "RequireAcceptance"
    kind: str = "User"
    invitation: Mapping[str, Any] | None = None
    invitations_since: datetime | None = SINCE
    acceptance_since: datetime | None = SINCE
    organization_created: datetime = CREATED


ROWS = {
    "a new member": Row(invited=True, awaits=True),
    "a new member who got the letter": Row(invited=True, awaits=True, invitation=SENT),
    "a new member who accepted": Row(invited=True, awaits=False, invitation=ACCEPTED),
    "who accepted stays so through role changes": Row(
        invited=True, awaits=False, invitation={**ACCEPTED, "generation": 7}
    ),
    "a service account": Row(invited=False, awaits=False, kind="ServiceAccount"),
    "a member from before the mode": Row(invited=False, awaits=False, created=SINCE - timedelta(seconds=1)),
    "a member at the end of the ten minutes": Row(invited=False, awaits=False, created=SINCE + ARRIVAL),
    "a member of an organization that just came": Row(
        invited=False, awaits=False, created=NOW, organization_created=NOW - ARRIVAL
    ),
    "a member an instant later": Row(
        invited=True, awaits=True, created=NOW, organization_created=NOW - ARRIVAL - timedelta(seconds=1)
    ),
    "a member who is older than the organization": Row(
        invited=False, awaits=False, created=CREATED, organization_created=NOW
    ),
    "an acceptance isn't needed yet": Row(invited=True, awaits=False, mode="Notify", acceptance_since=None),
    "a member from the time of letters alone": Row(
        invited=True, awaits=False, created=SINCE, invitations_since=SINCE - timedelta(days=1)
    ),
    "no mode": Row(invited=False, awaits=False, mode=None),
    "the mode None": Row(invited=False, awaits=False, mode="None"),
    "the controller hasn't noted the mode yet": Row(
        invited=False, awaits=False, invitations_since=None, acceptance_since=None
    ),
    "the controller has noted the letters alone": Row(invited=True, awaits=False, acceptance_since=None),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_who_is_invited_and_who_has_to_accept(row: Row) -> None:
    acme = organization(
        invitations={"mode": row.mode} if row.mode else None,
        status={
            "invitationsSince": row.invitations_since and format_time(row.invitations_since),
            "acceptanceSince": row.acceptance_since and format_time(row.acceptance_since),
        },
        created=row.organization_created,
    )
    alice = membership(kind=row.kind, created=row.created, generation=7, status={"invitation": row.invitation})
    assert is_invited(alice, acme) is row.invited
    assert awaits_acceptance(alice, acme) is row.awaits


def test_an_acceptance_doesnt_make_a_member_count_as_accepted() -> None:
    """A letter's page asks who has to accept, and who accepted had to."""
    acme = organization(
        invitations={"mode": "RequireAcceptance"},
        status={"invitationsSince": format_time(SINCE), "acceptanceSince": format_time(SINCE)},
    )
    assert not counts_as_accepted(membership(created=NOW, status={"invitation": ACCEPTED}), acme)
    assert counts_as_accepted(membership(created=SINCE), acme)


LISTED = {"mode": "Notify", "addresses": [{"name": "alice", "address": "alice@home.example"}]}

ADDRESSES = {
    "the subject": (membership(), {"mode": "Notify"}, "alice@acme.io"),
    "the subject, without rules": (membership(), None, "alice@acme.io"),
    "the list goes first": (membership(), LISTED, "alice@home.example"),
    "a name that is no address": (membership(subject="00u1abcdEFGH"), {"mode": "Notify"}, None),
    "a name that is no address, and the list": (membership(subject="00u1abcdEFGH"), LISTED, "alice@home.example"),
    "an ARN": (membership(subject="arn:aws:sts::1:assumed-role/a/b@c"), {"mode": "Notify"}, None),
    "another member is in the list": (membership("bob"), LISTED, "bob@acme.io"),
    "a service account": (membership(kind="ServiceAccount"), LISTED, None),
}


@pytest.mark.parametrize(("member", "rules", "address"), ADDRESSES.values(), ids=ADDRESSES)
def test_where_letters_go(member: Any, rules: Mapping[str, Any] | None, address: str | None) -> None:
    assert address_of(member, organization(invitations=rules)) == address
