"""The limits: what is held back and until when, across deletions, restarts, bursts and crashes."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.objects.builders import NOW
from support.objects.letters import KEY, SINCE, evidence, invitation_to, inviting, ledger_of, person
from tenure.domain.letters.due import due_letters
from tenure.domain.letters.ledger import MAX_TRIES, Ledger
from tenure.domain.letters.letter import Letter, LetterKind, normalised
from tenure.domain.letters.limits import DAY, Held, sort_out
from tenure.domain.letters.rates import Limits
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import format_time

HOUR = timedelta(hours=1)
ACME = inviting()


def send(letters: list[Letter], ledger: Ledger, now: datetime, limits: Limits | None = None) -> list[Letter]:
    """Send what the limits let through, and return it."""
    ready, _ = sort_out(letters, ledger, limits or Limits(), now)
    for letter in ready:
        ledger.claim(letter, now)
        ledger.finish(letter, now)
    return ready


def invitations(count: int, organization: Organization = ACME) -> list[Letter]:
    return [invitation_to(person(f"m{number}", uid=f"u{number}"), organization) for number in range(count)]


def test_one_letter_of_a_kind_goes_to_an_address_in_24_hours() -> None:
    ledger = ledger_of(ACME)
    letter = invitation_to(person(), ACME)
    assert send([letter], ledger, NOW) == [letter]
    again = invitation_to(person(uid="another"), ACME)
    ready, (held,) = sort_out([again], ledger, Limits(), NOW + HOUR)
    assert (ready, held) == (
        [],
        Held(again, NOW + DAY, "an address gets one such letter in 24 hours from an organization"),
    )
    assert send([again], ledger, NOW + DAY) == [again]


@pytest.mark.parametrize("address", ["Alice@acme.io", "alice+1@acme.io", "ALICE+x+y@ACME.IO"])
def test_case_and_tags_make_no_other_address(address: str) -> None:
    ledger = ledger_of(ACME)
    send([invitation_to(person(), ACME)], ledger, NOW)
    other = person("bob", subject=address)
    assert send([invitation_to(other, ACME)], ledger, NOW) == []


def test_addresses_are_told_apart() -> None:
    mailboxes = {normalised(text) for text in ("a@x.io", "b@x.io", "a@y.io", "+a@x.io", "+b@x.io")}
    assert mailboxes == {"a@x.io", "b@x.io", "a@y.io", "+a@x.io", "+b@x.io"}


def test_dots_tell_people_apart_except_at_gmail() -> None:
    assert {normalised(text) for text in ("J.Doe@gmail.com", "jdoe+x@googlemail.com")} == {"jdoe@gmail.com"}
    assert normalised("j.doe@acme.io") != normalised("jdoe@acme.io")


def test_deleting_and_creating_in_a_loop_sends_one_letter_a_day() -> None:
    ledger, sent = ledger_of(ACME), 0
    for minute in range(2 * 24 * 60):
        now = NOW + timedelta(minutes=minute)
        renewed = person(uid=f"u{minute}", created=now)
        sent += len(send(due_letters(evidence(ACME, renewed, ledger=ledger, now=now)), ledger, now))
        ledger = Ledger.from_bytes(KEY, ledger.to_bytes())  # Each time in another process.
    assert sent == 2


def test_so_does_a_loop_in_which_the_organization_is_created_again_too() -> None:
    ledger, sent = ledger_of(ACME), 0
    for hour in range(48):
        now = NOW + hour * HOUR
        organization = inviting(since=now - DAY)
        metadata = organization.metadata.model_copy(update={"uid": f"o{hour}"})
        letter = invitation_to(person(uid=f"u{hour}"), organization.model_copy(update={"metadata": metadata}))
        sent += len(send([letter], ledger, now))
    assert sent == 2


def test_an_address_gets_five_letters_a_day_however_many_organizations_write() -> None:
    ledger = ledger_of(ACME)
    letters = [invitation_to(person(namespace=f"n{n}"), inviting(namespace=f"n{n}")) for n in range(9)]
    sent = send(letters, ledger, NOW)
    assert len(sent) == 5
    rest = [one for one in letters if one not in sent]
    ready, held = sort_out(rest, ledger, Limits(), NOW + HOUR)
    assert ready == []
    assert {one.until for one in held} == {NOW + DAY}
    assert {one.reason for one in held} == {"an address gets 5 letters in 24 hours"}
    assert len(send(rest, ledger, NOW + DAY)) == len(rest)


def test_of_500_members_in_one_commit_the_limit_goes_out_and_all_others_later() -> None:
    ledger, letters = ledger_of(ACME), invitations(500)
    ready, held = sort_out(letters, ledger, Limits(), NOW)
    assert (len(ready), len(held)) == (100, 400)
    assert Counter(one.until for one in held) == {NOW + hours * HOUR: 100 for hours in range(1, 5)}
    assert {one.reason for one in held} == {"an organization can send 100 letters in an hour"}
    went = Counter[datetime]()
    left = letters
    for hour in range(6):
        now = NOW + hour * HOUR
        sent = send(left, ledger, now)
        went[now] = len(sent)
        left = [one for one in left if one not in sent]
    assert [*went.values()] == [100] * 5 + [0]
    assert left == []


def test_of_500_members_with_a_new_organization_nobody_gets_a_letter() -> None:
    created = NOW - timedelta(minutes=3)
    organization = inviting(created=created, since=created + timedelta(minutes=1))
    members = [person(f"m{number}", created=NOW) for number in range(500)]
    assert due_letters(evidence(organization, *members)) == []


def test_the_installation_has_a_limit_of_its_own() -> None:
    ledger = ledger_of(ACME)
    letters = [one for n in range(7) for one in invitations(100, inviting(namespace=f"n{n}"))]
    alone = [invitation_to(person(f"p{n}", uid=f"p{n}"), one.organization) for n, one in enumerate(letters)]
    ready, held = sort_out(alone, ledger, Limits(), NOW)
    assert (len(ready), len(held)) == (500, 200)
    assert {one.reason for one in held} == {"this installation can send 500 letters in an hour"}
    assert {one.until for one in held} == {NOW + HOUR}


def test_an_organization_with_few_letters_does_not_wait_for_one_with_many() -> None:
    ledger = ledger_of(ACME)
    large = [one for n in range(6) for one in invitations(100, inviting(namespace=f"a{n}"))]
    many = [invitation_to(person(f"p{n}", uid=f"p{n}"), one.organization) for n, one in enumerate(large)]
    few = [invitation_to(person(f"z{n}", uid=f"z{n}"), inviting(namespace="zulu")) for n in range(5)]
    sent = send(many + few, ledger, NOW)
    assert len(sent) == 500
    assert all(one in sent for one in few)
    assert [one for one in sent if one in few] == few, "in its own order"
    counts = Counter(one.organization.namespace for one in sent if one not in few)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_organizations_that_could_not_send_in_one_hour_go_first_in_the_next() -> None:
    ledger, limits, told = ledger_of(ACME), Limits(installation_an_hour=10), Counter[str]()
    for hour in range(4):
        news = [
            invitation_to(person(f"m{n}-{hour}", uid=f"u{n}-{hour}"), inviting(namespace=f"n{n}")) for n in range(20)
        ]
        told.update(one.organization.namespace for one in send(news, ledger, NOW + hour * HOUR, limits))
    assert set(told.values()) == {2}


def test_the_time_until_when_a_letter_is_held_stays_while_others_go_out() -> None:
    ledger, limits = ledger_of(ACME), Limits(installation_an_hour=10)
    letters = [
        invitation_to(person(f"m{n}-{k}", uid=f"u{n}-{k}"), inviting(namespace=f"n{n}"))
        for n in range(7)
        for k in range(5)
    ]
    ready, held = sort_out(letters, ledger, limits, NOW)
    for letter in ready[:4]:
        ledger.claim(letter, NOW)
        ledger.finish(letter, NOW)
    left = [one for one in letters if one not in ready[:4]]
    again, later = sort_out(left, ledger, limits, NOW)
    assert again == ready[4:]
    assert {one.letter.id: one.until for one in later} == {one.letter.id: one.until for one in held}


def test_an_invitation_is_resent_three_times_a_day() -> None:
    ledger = ledger_of(ACME)
    letter = invitation_to(person(), ACME)
    send([letter], ledger, NOW)
    resent = [Letter(letter.kind, ACME, letter.member, letter.address, "1", resent_at=NOW + n * HOUR) for n in range(5)]
    assert [bool(send([one], ledger, NOW + HOUR)) for one in resent] == [True, True, True, False, False]
    _, (held,) = sort_out(resent[3:4], ledger, Limits(), NOW + HOUR)
    assert held.reason == "an invitation can be resent 3 times in 24 hours"


def test_an_invitation_whose_link_a_role_change_made_invalid_is_sent_again_at_once() -> None:
    organization = inviting(mode="RequireAcceptance")
    ledger, roles = ledger_of(organization), 0
    invitation = None
    for generation in range(1, 8):
        member = person(generation=generation, invitation=invitation)
        sent = send(due_letters(evidence(organization, member, ledger=ledger)), ledger, NOW)
        invitation = {"generation": generation, "sentAt": format_time(NOW)} if sent else invitation
        roles += len(sent)
    assert roles == 1 + Limits().resends_a_day
    renewed = person(uid="another", invitation=None)
    assert send(due_letters(evidence(organization, renewed, ledger=ledger)), ledger, NOW) == []


def test_so_is_one_that_the_mail_server_had_not_taken_before_the_role_changed() -> None:
    organization = inviting(mode="RequireAcceptance")
    ledger = ledger_of(organization)
    (greylisted,) = due_letters(evidence(organization, person(), ledger=ledger))
    ledger.claim(greylisted, NOW)
    ledger.postpone(greylisted)
    (renewed,) = due_letters(evidence(organization, person(uid="another", generation=2), ledger=ledger))
    assert send([renewed], ledger, NOW) == []
    (letter,) = due_letters(evidence(organization, person(generation=2), ledger=ledger))
    assert send([letter], ledger, NOW) == [letter]


def test_a_repetition_after_a_crash_counts_once_and_is_recognized() -> None:
    ledger, letter = ledger_of(ACME), invitation_to(person(), ACME)
    ledger.claim(letter, NOW)
    restarted = Ledger.from_bytes(KEY, ledger.to_bytes())
    assert sort_out([letter], restarted, Limits(), NOW + HOUR) == ([letter], [])
    assert len([*restarted.sent()]) == 1


def test_a_crash_loop_sends_a_letter_five_times_and_then_waits() -> None:
    ledger, letter = ledger_of(ACME), invitation_to(person(), ACME)
    times = 0
    for minute in range(100):
        ready, _ = sort_out([letter], ledger, Limits(), NOW + timedelta(minutes=minute))
        times += len(ready)
        for one in ready:
            ledger.claim(one, NOW)
    assert times == MAX_TRIES
    assert sort_out([letter], ledger, Limits(), NOW + DAY)[0] == [letter]


def test_what_the_mail_server_did_not_take_is_no_try() -> None:
    ledger, letter = ledger_of(ACME), invitation_to(person(), ACME)
    for _ in range(3 * MAX_TRIES):
        ledger.claim(letter, NOW)
        ledger.postpone(letter)
    assert sort_out([letter], ledger, Limits(), NOW)[0] == [letter]


def test_nothing_is_sent_once_the_ledger_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = ledger_of(ACME)
    monkeypatch.setattr("tenure.domain.letters.ledger.MAX_BYTES", 13 + 23 * 2 * 7)
    ready, held = sort_out(invitations(10), ledger, Limits(), NOW)
    assert (len(ready), len(held)) == (7, 3)
    assert {one.reason for one in held} == {"the ledger of letters is full"}
    assert {one.until for one in held} == {NOW + HOUR}


def a_letter(number: int, organization: int, kind: LetterKind, hour: int) -> Letter:
    member = person(f"m{number}", uid=f"u{number}-{hour}", namespace=f"n{organization}")
    return Letter(kind, inviting(namespace=f"n{organization}"), member, f"m{number}@acme.io", "1")


LETTERS = st.lists(
    st.builds(a_letter, st.integers(0, 3), st.integers(0, 2), st.sampled_from(LetterKind), st.integers(0, 99)),
    max_size=12,
)
LIMITS = Limits(installation_an_hour=6, organization_an_hour=3, address_a_day=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(LETTERS, max_size=8), st.integers(1, 90))
def test_no_limit_is_ever_exceeded_and_nothing_is_lost(bursts: list[list[Letter]], minutes: int) -> None:
    ledger = Ledger(KEY, SINCE)
    sent: list[tuple[datetime, Letter]] = []
    now = NOW
    for burst in bursts:
        unique = list({letter.id + letter.address: letter for letter in burst}.values())
        fresh = [letter for letter in unique if (entry := ledger.entry(letter)) is None or not entry.done]
        ready, held = sort_out(fresh, ledger, LIMITS, now)
        assert len(ready) + len(held) == len(fresh)
        assert all(one.until > now for one in held)
        for letter in ready:
            ledger.claim(letter, now)
            ledger.finish(letter, now)
            sent.append((now, letter))
        ledger = Ledger.from_bytes(KEY, ledger.to_bytes())
        now += timedelta(minutes=minutes)
    assert within(sent, HOUR, lambda _: "") <= LIMITS.installation_an_hour
    assert within(sent, HOUR, lambda one: one.organization.namespace) <= LIMITS.organization_an_hour
    assert within(sent, DAY, lambda one: one.address) <= LIMITS.address_a_day
    assert within(sent, DAY, lambda one: f"{one.organization.namespace} {one.address} {one.kind}") <= 1


def within(sent: list[tuple[datetime, Letter]], span: timedelta, key: object) -> int:
    """The most letters with the same key in any span of this length."""
    most = 0
    for begin, _ in sent:
        counts = Counter(key(letter) for at, letter in sent if begin <= at < begin + span)  # type: ignore[operator]
        most = max(most, *counts.values())
    return most


def test_the_member_of_a_held_letter_is_named() -> None:
    ledger, letters = ledger_of(ACME), invitations(101)
    _, (held,) = sort_out(letters, ledger, Limits(), NOW)
    assert isinstance(held.letter.member, Membership)
    assert held.letter.member.name == "m100"
