"""What people can ask for about an invitation, and what they hear if they can't."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from support.objects.builders import CREATED, NOW, membership, organization
from tenure.domain.invitations.requests import (
    life_of,
    link_fields,
    next_request,
    pending_requests,
    pending_since,
    why_no_letter,
    why_no_link,
)
from tenure.domain.letters.delivery import sent_fields
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import format_time

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def acme(mode: str | None = "RequireAcceptance", **invitations: Any) -> Organization:
    """An Organization that has invited people since a day after its creation."""
    since = format_time(CREATED + timedelta(days=1))
    status = {"invitationsSince": since, "acceptanceSince": since if mode == "RequireAcceptance" else None}
    return organization(invitations={"mode": mode, **invitations}, status=status)


def alice(
    *,
    after: timedelta = timedelta(days=2),
    sent: datetime | None = None,
    requested: datetime | None = None,
    accepted: datetime | None = None,
    subject: str = "alice@acme.io",
    **meta: Any,
) -> Membership:
    """A person who came some time after their Organization, and what became of their invitation."""
    times = {"sentAt": sent, "requestedAt": requested, "acceptedAt": accepted}
    invitation = {field: format_time(at) for field, at in times.items() if at is not None}
    return membership("alice", subject=subject, created=CREATED + after, status={"invitation": invitation}, **meta)


@pytest.mark.parametrize(
    ("member", "since"),
    [
        pytest.param(membership("alice"), None, id="no invitation yet"),
        pytest.param(alice(), None, id="nobody asked"),
        pytest.param(alice(requested=NOW), NOW, id="asked before the first letter"),
        pytest.param(alice(requested=NOW, sent=NOW - SECOND), NOW, id="asked after the letter"),
        pytest.param(alice(requested=NOW, sent=NOW), None, id="sent at once"),
        pytest.param(alice(requested=NOW, sent=NOW + HOUR), None, id="sent since then"),
        pytest.param(alice(requested=NOW, accepted=NOW + HOUR), None, id="accepted since then"),
    ],
)
def test_a_request_is_pending_until_a_letter_is_sent(member: Membership, since: datetime | None) -> None:
    assert pending_since(member) == since
    assert pending_requests([member]) == ({} if since is None else {member.metadata.uid: since})


@pytest.mark.parametrize("sent", [None, NOW - HOUR, NOW, NOW + HOUR])
def test_a_new_request_is_always_pending(sent: datetime | None) -> None:
    at = next_request(alice(sent=sent), NOW + timedelta(milliseconds=400))
    assert at >= NOW
    assert pending_since(alice(requested=at, sent=sent)) == at


REFUSED = [
    pytest.param(alice(), None, "Organization acme of alice isn't in force", id="no organization"),
    pytest.param(alice(organization="other"), acme(), "Organization other of alice isn't in force", id="another one"),
    pytest.param(alice(deleting=True), acme(), "alice is being deleted", id="being removed"),
    pytest.param(alice(), acme("None"), "alice isn't invited", id="nobody is invited"),
    pytest.param(alice(after=HOUR), acme(), "alice isn't invited", id="from before"),
    pytest.param(alice(kind="ServiceAccount", subject="ci"), acme(), "isn't invited", id="a service account"),
    pytest.param(alice(accepted=NOW), acme(), "alice has accepted", id="accepted"),
]


@pytest.mark.parametrize(("member", "rules", "text"), REFUSED)
def test_without_an_invitation_there_is_neither_letter_nor_link(
    member: Membership, rules: Organization | None, text: str
) -> None:
    assert text in why_no_letter(member, rules)
    assert text in why_no_link(member, rules)


def test_a_letter_needs_an_address_and_a_link_needs_none() -> None:
    nameless = alice(subject="00u1abcdEFGH")
    assert "Add it to spec.invitations.addresses" in why_no_letter(nameless, acme())
    listed = acme(addresses=[{"name": "alice", "address": "jane@acme.io"}])
    assert why_no_letter(nameless, listed) == ""
    assert why_no_link(nameless, acme()) == ""
    assert why_no_letter(alice(), acme()) == ""


def test_who_need_not_accept_gets_letters_without_a_link() -> None:
    assert why_no_letter(alice(), acme("Notify")) == ""
    assert why_no_link(alice(), acme("Notify")) == "alice doesn't have to accept, so there is no link"


@pytest.mark.parametrize(("rules", "life"), [({}, 168), ({"expiresAfter": "2h"}, 2)])
def test_a_link_lives_as_long_as_the_organization_says(rules: dict[str, str], life: int) -> None:
    assert life_of(acme(**rules)) == life * HOUR
    assert life_of(organization()) == 168 * HOUR


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(minutes=3)], ids=["same clock", "leader's is behind"])
def test_a_letter_answers_the_request_however_the_clocks_differ(behind: timedelta) -> None:
    member = alice(requested=NOW)
    letter = Letter(LetterKind.INVITED, acme(), member, "alice@acme.io", "1", resent_at=pending_since(member))
    told = {name: value for name, value in sent_fields(letter, NOW - behind, None).items() if value is not None}
    assert pending_since(membership("alice", status={"invitation": {"requestedAt": format_time(NOW), **told}})) is None


@pytest.mark.parametrize(
    ("invitation", "written"),
    [
        pytest.param(None, True, id="no letter yet"),
        pytest.param({"generation": 2, "sentAt": format_time(NOW)}, True, id="sent to this role"),
        pytest.param({"generation": 1, "expiresAt": format_time(NOW)}, True, id="a link to the former role"),
        pytest.param({"generation": 1, "sentAt": format_time(NOW)}, False, id="sent to the former role"),
        pytest.param({"generation": 1, "delivery": "Rejected"}, False, id="rejected for the former role"),
    ],
)
def test_a_link_does_not_replace_the_letter_about_a_new_role(
    invitation: dict[str, Any] | None, *, written: bool
) -> None:
    member = membership("alice", generation=2, status={"invitation": invitation} if invitation else {})
    fields = {"generation": 2, "expiresAt": format_time(NOW + HOUR)}
    assert link_fields(member, NOW + HOUR) == (fields if written else {})
