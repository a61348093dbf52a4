"""Which letters are due: invitations, role changes, keys that expire, and keys that were revoked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from support.objects.builders import NOW, api_key, issued, membership, with_status
from support.objects.letters import ALL, SINCE, due, evidence, inviting, ledger_of, person, role_change
from tenure.domain.letters.due import AHEAD, due_letters, without_address
from tenure.domain.letters.letter import LetterKind
from tenure.domain.letters.revoked import GRACE, NOTICE_LIFE, Gone, find_gone
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import format_time

HOUR = timedelta(hours=1)
SENT = {"generation": 1, "sentAt": format_time(NOW), "delivery": "Sent"}
ASKED = {"requestedAt": format_time(NOW + HOUR)}
REJECTED = {"generation": 1, "delivery": "Rejected", "message": "The letter to alice@acme.io was rejected: 550 no"}


LONG_AGO = NOW - timedelta(days=8)
TO_ANOTHER = {**SENT, "sentTo": "alcie@acme.io"}


class Invited(NamedTuple):
    """A member, and whether a letter is due."""

    due: bool
    mode: str = "Notify"
    fields: Mapping[str, Any] = {}
    organization: Mapping[str, Any] = {}


INVITED = {
    "a new member": Invited(due=True),
    "a new member who has to accept": Invited(due=True, mode="RequireAcceptance"),
    "no invitations": Invited(due=False, mode="None"),
    "a service account": Invited(due=False, fields={"kind": "ServiceAccount"}),
    "before the mode was set": Invited(due=False, fields={"created": SINCE - HOUR}),
    "with the mode": Invited(due=False, fields={"created": SINCE + timedelta(minutes=10)}),
    "just after it": Invited(due=True, fields={"created": SINCE + timedelta(minutes=10, seconds=1)}),
    "with its organization, as after a restore": Invited(due=False, organization={"created": NOW - HOUR}),
    "before the controller noted the mode": Invited(due=False, organization={"since": None}),
    "a second Membership of a person": Invited(due=False, fields={"ready": False}),
    "one that is being deleted": Invited(due=False, fields={"deleting": True}),
    "of another organization": Invited(due=False, fields={"organization": "globex"}),
    "who got the letter": Invited(due=False, fields={"invitation": SENT}),
    "who got it, and has to accept": Invited(due=False, mode="RequireAcceptance", fields={"invitation": SENT}),
    "a role change before it was accepted": Invited(
        due=True, mode="RequireAcceptance", fields={"invitation": SENT, "generation": 2}
    ),
    "a role change after a mere notice": Invited(due=False, fields={"invitation": SENT, "generation": 2}),
    "who accepted": Invited(
        due=False, mode="RequireAcceptance", fields={"generation": 2, "invitation": {"acceptedAt": format_time(NOW)}}
    ),
    "one who waits": Invited(due=True, fields={"invitation": {"delivery": "Waiting", "message": "451 later"}}),
    "one who is held back": Invited(due=True, fields={"invitation": {"delivery": "Held", "message": "until"}}),
    "a rejected address": Invited(due=False, fields={"invitation": REJECTED}),
    "a rejected address that was corrected": Invited(
        due=True,
        fields={"invitation": REJECTED},
        organization={"addresses": [{"name": "alice", "address": "right@acme.io"}]},
    ),
    "a wrong address that was corrected": Invited(due=True, fields={"invitation": TO_ANOTHER}),
    "a wrong address that was corrected, of one who has to accept": Invited(
        due=True, mode="RequireAcceptance", fields={"invitation": {**TO_ANOTHER, "sentAt": format_time(LONG_AGO)}}
    ),
    "a new address, long after a mere notice": Invited(
        due=False, fields={"invitation": {**TO_ANOTHER, "sentAt": format_time(LONG_AGO)}}
    ),
    "a new address of one who accepted": Invited(
        due=False,
        mode="RequireAcceptance",
        fields={"invitation": {**TO_ANOTHER, "acceptedAt": format_time(NOW)}},
    ),
    "another spelling of the same address": Invited(
        due=False, fields={"invitation": {**SENT, "sentTo": "Alice@acme.io"}}
    ),
    "somebody asked again": Invited(due=True, fields={"invitation": {**SENT, **ASKED}}),
    "somebody asked again after it was accepted": Invited(
        due=False, fields={"invitation": {**SENT, **ASKED, "acceptedAt": format_time(NOW)}}
    ),
    "no address": Invited(due=False, fields={"subject": "00u1abcdEFGH"}),
    "an address beside the name": Invited(
        due=True,
        fields={"subject": "00u1abcdEFGH"},
        organization={"addresses": [{"name": "alice", "address": "alice@acme.io"}]},
    ),
}


@pytest.mark.parametrize("row", INVITED.values(), ids=INVITED)
def test_an_invitation_is_due(row: Invited) -> None:
    found = due(inviting(mode=row.mode, **row.organization), person(**row.fields))
    assert found == ([("alice", LetterKind.INVITED)] if row.due else [])


def test_those_who_wait_for_a_letter_come_first() -> None:
    organization = inviting(mode="RequireAcceptance", since=SINCE)
    status = organization.status.model_copy(update={"acceptance_since": NOW - timedelta(days=2)})
    informed = person("ann", created=NOW - timedelta(days=10))
    waiting = person("zoe", created=NOW - HOUR)
    assert due(with_status(organization, status), informed, waiting) == [
        ("zoe", LetterKind.INVITED),
        ("ann", LetterKind.INVITED),
    ]


def test_a_member_without_an_address_is_told_once_nothing_was_sent() -> None:
    rows = [person("jane", subject="00u1"), person("bob"), person("sent", subject="00u2", invitation=SENT)]
    assert [member.name for member in without_address(evidence(inviting(), *rows))] == ["jane"]


class Changed(NamedTuple):
    """A role change, and whether a letter is due."""

    due: bool
    at: datetime = NOW - HOUR
    generation: int = 2
    wanted: bool = True
    mode: str = "None"
    fields: Mapping[str, Any] = {}
    since: datetime = SINCE


CHANGED = {
    "a role change": Changed(due=True),
    "in an organization that doesn't want it": Changed(due=False, wanted=False),
    "from before it was switched on": Changed(due=False, since=NOW - HOUR),
    "too long ago": Changed(due=False, at=NOW - NOTICE_LIFE),
    "a day ago, as after an outage": Changed(due=True, at=NOW - timedelta(hours=47)),
    "by a clock that is ahead": Changed(due=False, at=NOW + HOUR),
    "a record of an earlier one": Changed(due=False, generation=1),
    "of a service account": Changed(due=False, fields={"kind": "ServiceAccount"}),
    "before the invitation was accepted": Changed(due=False, mode="RequireAcceptance"),
    "after it": Changed(
        due=True, mode="RequireAcceptance", fields={"invitation": {**SENT, "acceptedAt": format_time(NOW)}}
    ),
}


@pytest.mark.parametrize("row", CHANGED.values(), ids=CHANGED)
def test_a_letter_about_a_role_change_is_due(row: Changed) -> None:
    organization = inviting(mode=row.mode, notifications={"roleChanged": row.wanted})
    member = person(change=role_change(row.generation, row.at), **{"generation": 2, **row.fields})
    found = due(organization, member, ledger=ledger_of(organization, row.since))
    assert [kind for _, kind in found if kind is LetterKind.ROLE_CHANGED] == [LetterKind.ROLE_CHANGED] * row.due


def expiring(organization: Organization, member: Membership, name: str, left: timedelta, **more: Any) -> ApiKey:
    """A key of a month that expires after some time."""
    key = api_key(name, membership=member.name, expires_at=format_time(NOW + left))
    key = issued(key, member, organization, at=more.pop("at", NOW + left - timedelta(days=30)))
    return with_status(key, key.status.model_copy(update={"expires_at": NOW + left, **more}))


class Expiring(NamedTuple):
    """A key that expires, and whether a letter is due."""

    due: bool
    left: timedelta
    more: Mapping[str, Any] = {}
    since: datetime = SINCE


EXPIRING = {
    "long before": Expiring(due=False, left=timedelta(hours=169)),
    "a week before": Expiring(due=True, left=timedelta(hours=168)),
    "after an outage of a day": Expiring(due=True, left=timedelta(hours=140)),
    "too long after": Expiring(due=False, left=timedelta(hours=120)),
    "a day before": Expiring(due=True, left=timedelta(hours=24)),
    "when it is over": Expiring(due=False, left=-timedelta(seconds=1)),
    "from before it was switched on": Expiring(due=False, left=timedelta(hours=20), since=NOW - HOUR),
    "a short life": Expiring(due=False, left=timedelta(hours=23), more={"at": NOW - HOUR}),
    "one that is rotated before": Expiring(due=False, left=timedelta(hours=24), more={"rotates_at": NOW + HOUR}),
    "one that is rotated too late": Expiring(
        due=True, left=timedelta(hours=24), more={"rotates_at": NOW + timedelta(hours=25)}
    ),
    "one that doesn't work": Expiring(due=False, left=timedelta(hours=24), more={"secret_uid": None}),
}


@pytest.mark.parametrize("row", EXPIRING.values(), ids=EXPIRING)
def test_a_letter_about_a_key_that_expires_is_due(row: Expiring) -> None:
    organization = inviting(mode="None", notifications=ALL)
    member = person(created=SINCE)
    key = expiring(organization, member, "laptop", row.left, **row.more)
    found = due(organization, member, keys=[key], ledger=ledger_of(organization, row.since))
    assert found == [("alice", LetterKind.KEYS_EXPIRING)] * row.due


def test_one_letter_tells_of_all_keys_of_the_next_day_and_they_are_not_told_again() -> None:
    organization = inviting(mode="None", notifications=ALL)
    member = person(created=SINCE)
    hours = {"now": 24, "soon": 47, "later": 60, "far": 190, "weekly": 170}
    keys = [expiring(organization, member, name, timedelta(hours=left)) for name, left in hours.items()]
    ledger = ledger_of(organization)
    (letter,) = due_letters(evidence(organization, member, keys=keys, ledger=ledger))
    assert [key.name for key in letter.keys] == ["now", "soon", "weekly", "far"]
    ledger.claim(letter, NOW)
    ledger.finish(letter, NOW)
    ledger.tell(letter, NOW)
    for later in range(1, 35):
        assert due(organization, member, keys=keys, ledger=ledger, now=NOW + later * HOUR) == []
    (second,) = due_letters(evidence(organization, member, keys=keys, ledger=ledger, now=NOW + 36 * HOUR))
    assert [key.name for key in second.keys] == ["later"]
    assert second.id != letter.id


def test_a_key_that_was_issued_after_the_letter_is_told() -> None:
    organization = inviting(mode="None", notifications={"keysExpiring": ["1h"]})
    member = person(created=SINCE)
    first = expiring(organization, member, "first", HOUR)
    ledger = ledger_of(organization)
    (letter,) = due_letters(evidence(organization, member, keys=[first], ledger=ledger))
    ledger.tell(letter, NOW)
    second = expiring(organization, member, "second", 4 * HOUR, at=NOW + HOUR)
    assert due(organization, member, keys=[second], ledger=ledger, now=NOW + 3 * HOUR) != []
    older = expiring(organization, member, "older", 4 * HOUR, at=NOW - HOUR)
    assert due(organization, member, keys=[older], ledger=ledger, now=NOW + 3 * HOUR) == []
    assert AHEAD > 3 * HOUR


def test_owners_are_told_of_the_keys_of_service_accounts() -> None:
    organization = inviting(mode="None", notifications=ALL)
    olga, oscar = (person(name, role="Owner", created=SINCE) for name in ("olga", "oscar"))
    alice, pipeline = person(created=SINCE), person("ci", kind="ServiceAccount", created=SINCE)
    key = expiring(organization, pipeline, "deploy", timedelta(hours=24))
    mine = expiring(organization, olga, "laptop", timedelta(hours=23))
    letters = due_letters(evidence(organization, olga, oscar, alice, pipeline, keys=[key, mine]))
    told = {letter.member.name: [one.name for one in letter.keys] for letter in letters}
    assert told == {"olga": ["laptop", "deploy"], "oscar": ["deploy"]}


class Revoked(NamedTuple):
    """A key whose token vanished, and whether a letter is due."""

    due: bool
    at: datetime = NOW - HOUR
    wanted: bool = True
    issue: Mapping[str, Any] = {}
    member: Mapping[str, Any] | None = {}


REVOKED = {
    "deleted": Revoked(due=True),
    "in an organization that doesn't want it": Revoked(due=False, wanted=False),
    "just now, when the watch of Memberships may be behind": Revoked(due=False, at=NOW - timedelta(seconds=9)),
    "a moment ago": Revoked(due=True, at=NOW - GRACE),
    "too long ago": Revoked(due=False, at=NOW - NOTICE_LIFE),
    "by a role change": Revoked(due=False, member={"generation": 2}),
    "with its Membership": Revoked(due=False, member=None),
    "with a former Membership": Revoked(due=False, member={"uid": "other"}),
    "when it didn't work any more": Revoked(due=False, issue={"secret_uid": None}),
}


@pytest.mark.parametrize("row", REVOKED.values(), ids=REVOKED)
def test_a_letter_about_a_revoked_key_is_due(row: Revoked) -> None:
    organization = inviting(mode="None", notifications={"keysRevoked": row.wanted})
    key = issued(api_key("laptop"), membership(), organization, **row.issue)
    members = [] if row.member is None else [person(created=SINCE, **row.member)]
    found = due(organization, *members, gone=[Gone(key, row.at)])
    assert found == [("alice", LetterKind.KEYS_REVOKED)] * row.due


def test_a_token_vanishes_with_its_key_or_a_raised_revision_and_not_with_a_rotation() -> None:
    organization, member = inviting(), membership()
    key = issued(api_key("laptop"), member, organization)
    raised = api_key("laptop", revision=2)
    rotated = with_status(key, key.status.model_copy(update={"hash": "sha256:new"}))
    assert find_gone(key, None, NOW) is not None
    assert find_gone(key, with_status(raised, key.status), NOW) is not None
    assert find_gone(key, rotated, NOW) is None
    assert find_gone(key, api_key("laptop", uid="another"), NOW) is not None
    assert find_gone(api_key("laptop"), None, NOW) is None, "it was never issued"


def test_a_key_that_is_being_deleted_counts_as_it_was_before() -> None:
    organization = inviting(mode="None", notifications=ALL)
    deleting = issued(api_key("laptop", deleting=True), membership(), organization)
    gone = find_gone(deleting, None, NOW - HOUR)
    assert gone is not None
    assert due(organization, person(created=SINCE), gone=[gone]) == [("alice", LetterKind.KEYS_REVOKED)]


def test_revoked_keys_are_told_once_and_later_ones_in_another_letter() -> None:
    organization = inviting(mode="None", notifications=ALL)
    member = person(created=SINCE)
    keys = [issued(api_key(name), membership(), organization) for name in ("laptop", "phone")]
    first, second = Gone(keys[0], NOW - 2 * HOUR), Gone(keys[1], NOW + HOUR)
    ledger = ledger_of(organization)
    (letter,) = due_letters(evidence(organization, member, gone=[first], ledger=ledger))
    ledger.finish(letter, NOW)
    ledger.tell(letter, NOW)
    assert due(organization, member, gone=[first], ledger=ledger, now=NOW + HOUR) == []
    (other,) = due_letters(evidence(organization, member, gone=[first, second], ledger=ledger, now=NOW + 2 * HOUR))
    assert [key.name for key in other.keys] == ["phone"]
    assert other.id != letter.id
