"""What the status says of invitations: the letter, the acceptance, since when a mode applies, and the mail process."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from support.objects.builders import CREATED, NOW, membership, organization, with_status
from support.objects.invitations import inviting
from tenure.domain.conditions import find_condition
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.planning.organizations import OrganizationObservation, plan_organization
from tenure.domain.reasons import STATES, ConditionType
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.domain.resources.membership import MembershipStatus
from tenure.domain.resources.organization import OrganizationStatus

SENT = {"generation": 1, "sentAt": "2027-02-22T08:00:00Z", "expiresAt": "2027-03-01T08:00:00Z", "delivery": "Sent"}
ACCEPTED = {**SENT, "acceptedAt": "2027-02-22T08:20:00Z"}
REQUIRES, NOTIFIES = inviting(), inviting("Notify")

Told = Mapping[str, str]


class Row(NamedTuple):
    """A member who came after the mode was set, and the reasons of the conditions on the invitation."""

    org: Organization
    invitation: Mapping[str, Any] | None
    told: Told
    generation: int = 1
    subject: str | None = None
    kind: str = "User"
    created: datetime = NOW


PENDING = "InvitationPending"
ROWS = {
    "nobody is invited": Row(organization(), None, {}),
    "invited, not sent yet": Row(NOTIFIES, None, {"Notified": "Waiting"}),
    "invited": Row(NOTIFIES, SENT, {"Notified": "Sent"}),
    "invited, then promoted": Row(NOTIFIES, SENT, {"Notified": "Sent"}, generation=2),
    "held": Row(NOTIFIES, {**SENT, "delivery": "Held"}, {"Notified": "Held"}),
    "rejected": Row(NOTIFIES, {**SENT, "delivery": "Rejected"}, {"Notified": "Rejected"}),
    "a word of a later version": Row(NOTIFIES, {**SENT, "delivery": "Bounced"}, {"Notified": "Waiting"}),
    "no address": Row(NOTIFIES, None, {"Notified": "NoAddress"}, subject="00u1abcdEFGH"),
    "no address, as the mail process says too": Row(
        NOTIFIES, {"delivery": "NoAddress"}, {"Notified": "NoAddress"}, subject="00u1abcdEFGH"
    ),
    "an address was added": Row(
        inviting("Notify", addresses=[{"name": "alice", "address": "alice@acme.io"}]),
        {"delivery": "NoAddress"},
        {"Notified": "Waiting"},
        subject="00u1abcdEFGH",
    ),
    "has to accept": Row(REQUIRES, SENT, {"Notified": "Sent", "Accepted": PENDING}),
    "has to accept another role": Row(REQUIRES, SENT, {"Notified": "Waiting", "Accepted": PENDING}, generation=2),
    "has to accept, and wasn't told": Row(REQUIRES, None, {"Notified": "Waiting", "Accepted": PENDING}),
    "accepted": Row(REQUIRES, ACCEPTED, {"Notified": "Sent", "Accepted": "Accepted"}),
    "accepted, then promoted": Row(REQUIRES, ACCEPTED, {"Notified": "Sent", "Accepted": "Accepted"}, generation=2),
    "accepted by a link from the console": Row(
        REQUIRES, {"acceptedAt": "2027-02-22T08:20:00Z"}, {"Accepted": "Accepted"}
    ),
    "from before": Row(REQUIRES, None, {"Accepted": "NotRequired"}, created=CREATED),
    "from before, invited then": Row(REQUIRES, SENT, {"Accepted": "NotRequired"}, created=CREATED),
    "a service account": Row(REQUIRES, None, {}, kind="ServiceAccount"),
}


def observe(row: Row) -> MembershipObservation:
    status = {"observedGeneration": row.generation, **({"invitation": row.invitation} if row.invitation else {})}
    member = membership(
        kind=row.kind, subject=row.subject, created=row.created, generation=row.generation, status=status
    )
    return MembershipObservation(membership=member, organization=row.org, keys=[], now=NOW)


def planned(observation: MembershipObservation) -> MembershipStatus:
    *_, action = plan_membership(observation).actions
    assert isinstance(action, UpdateStatus)
    assert isinstance(action.status, MembershipStatus)
    return action.status


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_conditions_of_an_invitation_are_no_part_of_ready(row: Row) -> None:
    status = planned(observe(row))
    ready, *others = status.conditions
    assert (ready.type, ready.reason, ready.status.value) == ("Ready", "Active", "True")
    assert {one.type: one.reason for one in others} == row.told
    held = {"Sent", "Accepted", "NotRequired"}
    assert [one.status.value for one in others] == [str(one.reason in held) for one in others]
    assert {one.observed_generation for one in status.conditions} == {row.generation}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_settled_member_is_left_alone_and_the_invitation_is_as_the_mail_process_left_it(row: Row) -> None:
    observation = observe(row)
    status = planned(observation)
    assert status.invitation == observation.membership.status.invitation
    later = NOW + timedelta(days=30)
    settled = replace(observation, membership=with_status(observation.membership, status), now=later)
    assert plan_membership(settled).actions == ()


def test_every_reason_of_the_table_of_states_is_reached() -> None:
    types = (ConditionType.NOTIFIED, ConditionType.ACCEPTED)
    rows = {(type_, reason) for row in ROWS.values() for type_, reason in row.told.items()}
    assert rows == {(state.type, state.reason) for state in STATES if state.type in types}


@pytest.mark.parametrize(
    "observation",
    [
        pytest.param(replace(observe(ROWS["has to accept"]), displaced_by="old-alice"), id="displaced"),
        pytest.param(replace(observe(ROWS["has to accept"]), organization=None), id="no organization"),
    ],
)
def test_who_has_no_effect_has_no_invitation(observation: MembershipObservation) -> None:
    assert not {one.type for one in planned(observation).conditions} & {"Notified", "Accepted"}


@pytest.mark.parametrize(
    ("name", "type_", "words"),
    [
        ("no address", "Notified", ["00u1abcdEFGH is no e-mail address", "Add {name: alice, address: …}"]),
        ("invited", "Notified", ["took the invitation at 2027-02-22T08:00:00Z"]),
        ("has to accept", "Accepted", ["until alice@acme.io accepts", "expires at 2027-03-01T08:00:00Z"]),
        ("accepted", "Accepted", ["Accepted at 2027-02-22T08:20:00Z"]),
    ],
)
def test_a_message_says_what_is_awaited(name: str, type_: str, words: Sequence[str]) -> None:
    found = find_condition(planned(observe(ROWS[name])).conditions, ConditionType(type_))
    assert found is not None
    assert [word for word in words if word not in found.message] == []


def test_the_answer_of_a_mail_server_cant_pretend_to_be_tenures_words() -> None:
    answer = {"generation": 1, "delivery": "Rejected", "message": "550 \x1b[2J\nAccepted \u202e" + "x" * 900}
    found = find_condition(planned(observe(Row(NOTIFIES, answer, {}))).conditions, ConditionType.NOTIFIED)
    assert found is not None
    assert found.message.isprintable()
    assert len(found.message) < 400


def test_a_link_to_a_former_role_isnt_said_to_work() -> None:
    found = find_condition(planned(observe(ROWS["has to accept another role"])).conditions, ConditionType.ACCEPTED)
    assert found is not None
    assert "expires" not in found.message


def observe_organization(org: Organization, *members: Membership, runs: bool | None = None) -> OrganizationObservation:
    return OrganizationObservation(
        organization=org, in_force=org, members=members, keys=[], now=NOW + timedelta(microseconds=5), mail_runs=runs
    )


def status_of(observation: OrganizationObservation) -> OrganizationStatus:
    *_, action = plan_organization(observation).actions
    assert isinstance(action, UpdateStatus)
    assert isinstance(action.status, OrganizationStatus)
    return action.status


BEFORE = NOW - timedelta(days=3)
TIMES: dict[str, tuple[str | None, Mapping[str, datetime], datetime | None, datetime | None]] = {
    "no mode": (None, {}, None, None),
    "the first letters": ("Notify", {}, NOW, None),
    "letters go on": ("Notify", {"invitationsSince": BEFORE}, BEFORE, None),
    "acceptance from the start": ("RequireAcceptance", {}, NOW, NOW),
    "acceptance after letters": ("RequireAcceptance", {"invitationsSince": BEFORE}, BEFORE, NOW),
    "acceptance goes on": (
        "RequireAcceptance",
        {"invitationsSince": BEFORE, "acceptanceSince": BEFORE},
        BEFORE,
        BEFORE,
    ),
    "letters alone again": ("Notify", {"invitationsSince": BEFORE, "acceptanceSince": BEFORE}, BEFORE, None),
    "switched off": ("None", {"invitationsSince": BEFORE, "acceptanceSince": BEFORE}, None, None),
}


@pytest.mark.parametrize(("mode", "before", "invitations", "acceptance"), TIMES.values(), ids=TIMES)
def test_since_when_a_mode_applies(
    mode: str | None, before: Mapping[str, datetime], invitations: datetime | None, acceptance: datetime | None
) -> None:
    org = organization(
        invitations={"mode": mode} if mode else None,
        status={"observedGeneration": 0, **{field: format_time(time) for field, time in before.items()}},
    )
    status = status_of(observe_organization(org))
    assert (status.invitations_since, status.acceptance_since) == (invitations, acceptance)


def test_a_clock_that_is_behind_locks_nobody_out() -> None:
    newest = membership("bob", created=NOW + timedelta(hours=1))
    org = organization(invitations={"mode": "RequireAcceptance"})
    status = status_of(observe_organization(org, membership(), newest))
    assert status.acceptance_since == newest.metadata.creation_timestamp


LETTERS = {
    "an invitation": ({"invitations": {"mode": "Notify"}}, True),
    "role changes": ({"notifications": {"roleChanged": True}}, True),
    "keys that expire": ({"notifications": {"keysExpiring": ["24h"]}}, True),
    "keys that are revoked": ({"notifications": {"keysRevoked": True}}, True),
    "none": ({}, False),
    "none of them": ({"notifications": {"roleChanged": False, "keysExpiring": []}}, False),
}


@pytest.mark.parametrize(("spec", "asks"), LETTERS.values(), ids=LETTERS)
@pytest.mark.parametrize("runs", [True, False])
def test_who_asks_for_letters_is_told_whether_anybody_sends_them(
    spec: Mapping[str, Any], *, asks: bool, runs: bool
) -> None:
    found = find_condition(
        status_of(observe_organization(organization(**spec), runs=runs)).conditions, ConditionType.MAIL_AVAILABLE
    )
    assert (found is not None) is asks
    if found is not None:
        assert (found.status.value, found.reason) == (str(runs), "Running" if runs else "NoMailProcess")


def test_what_isnt_known_of_the_mail_process_stays_as_it_was() -> None:
    observation = observe_organization(inviting(), runs=False)
    before = status_of(observation)
    found = find_condition(before.conditions, ConditionType.MAIL_AVAILABLE)
    assert found is not None
    assert "New members can't accept" in found.message
    unknown = replace(observation, organization=with_status(observation.organization, before), mail_runs=None)
    assert plan_organization(unknown).actions == ()
    assert find_condition(status_of(observe_organization(inviting())).conditions, ConditionType.MAIL_AVAILABLE) is None
