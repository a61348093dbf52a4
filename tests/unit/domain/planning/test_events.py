"""Which changes of a status have an Event, and that its name follows from what is stored."""

from dataclasses import replace

import pytest

from support.objects.builders import NOW, api_key, condition, issued, membership, organization, with_status
from support.objects.invitations import inviting
from tenure.domain.planning.actions import Action, EmitEvent, EventType, Plan, UpdateStatus
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.events import state_events
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.planning.organizations import OrganizationObservation, plan_organization
from tenure.domain.reasons import STATES, ConditionType, Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import Condition, ConditionStatus

MEMBER, ORG = membership(), organization()


def plan(key: ApiKey) -> Plan[Action]:
    return plan_api_key(ApiKeyObservation(api_key=key, membership=MEMBER, organization=ORG, siblings=[key], now=NOW))


def events(plan: Plan[Action]) -> list[EmitEvent]:
    return [action for action in plan.actions if isinstance(action, EmitEvent)]


def with_ready(reason: str, *, generation: int = 1) -> ApiKey:
    status = {"observedGeneration": 1, "conditions": [condition("Ready", reason, holds=reason == "Issued")]}
    return api_key(generation=generation, status=status)


def ready_of(reason: str) -> Condition:
    return Condition.model_validate(condition("Ready", reason, holds=reason == "Issued"))


def occurrence(key: ApiKey, reason: Reason = Reason.QUOTA_EXCEEDED) -> str:
    (event,) = state_events(key, [ready_of(reason)])
    return event.occurrence


def test_only_states_of_two_conditions_that_say_no_have_an_event() -> None:
    told = [state for state in STATES if state.event and state.type is not ConditionType.UNUSED]
    assert told
    types = (ConditionType.READY, ConditionType.NOTIFIED)
    assert {(state.type, state.status) for state in told} == {(type_, ConditionStatus.FALSE) for type_ in types}


def test_a_letter_that_the_mail_server_refused_is_told_of_once() -> None:
    refused = {"generation": 1, "delivery": "Rejected", "message": "550 no such user"}
    member = membership(created=NOW, status={"invitation": refused})
    first = plan_membership(MembershipObservation(membership=member, organization=inviting(), keys=[], now=NOW))
    (event,) = events(first)
    assert (event.reason, event.type) == ("Rejected", EventType.WARNING)
    assert "550 no such user" in event.note
    update = first.actions[-1]
    assert isinstance(update, UpdateStatus)
    told = MembershipObservation(
        membership=with_status(member, update.status), organization=inviting(), keys=[], now=NOW
    )
    assert plan_membership(told).actions == ()


def test_a_key_whose_time_is_over_is_told_once_before_its_status_says_so() -> None:
    key = issued(api_key(ttl="1h"), MEMBER, ORG)
    first = plan(key)
    (event,) = events(first)
    assert (event.reason, event.type) == ("Expired", EventType.WARNING)
    assert "Expired at " in event.note
    assert first.actions.index(event) == len(first.actions) - 2
    assert plan(key) == first, "tried again after a crash, it is the same Event"
    update = first.actions[-1]
    assert isinstance(update, UpdateStatus)
    told = with_status(key, update.status)
    assert events(plan(told)) == []
    assert state_events(told, [ready_of("Expired")]) == (), "another message is no other occurrence"


@pytest.mark.parametrize("reason", ["Issued", "RoleChanged", "RoleMismatch", "MembershipGone", "MembershipNotFound"])
def test_what_was_asked_for_or_is_told_elsewhere_has_no_event(reason: str) -> None:
    assert state_events(api_key(), [ready_of(reason)]) == ()


def test_an_occurrence_follows_from_what_was_before() -> None:
    before = with_ready("Issued")
    assert occurrence(before) == occurrence(with_ready("Issued"))
    others = [api_key(), with_ready("MembershipNotFound"), with_ready("Issued", generation=2)]
    assert len({occurrence(key) for key in (before, *others)}) == 4


def test_two_memberships_of_one_person_are_told_of() -> None:
    seen = MembershipObservation(membership=MEMBER, organization=ORG, keys=[], now=NOW, displaced_by="olga")
    assert [event.reason for event in events(plan_membership(seen))] == ["DuplicateSubject"]
    assert events(plan_membership(replace(seen, displaced_by=None))) == []


def test_an_organization_that_lost_its_last_owner_is_told_of_and_one_that_has_none_yet_is_not() -> None:
    owned = [condition("Ready", "Active", holds=True), condition("HasOwner", "Owned", holds=True)]
    lost = organization(status={"observedGeneration": 1, "conditions": owned})
    for org, told in ((lost, ["NoOwner"]), (ORG, [])):
        seen = OrganizationObservation(organization=org, in_force=org, members=[MEMBER], keys=[], now=NOW)
        assert [event.reason for event in events(plan_organization(seen))] == told
