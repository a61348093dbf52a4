"""A key that is handed over, as rows: when the other member gets a token, and what becomes of the former one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import (
    NOW,
    api_key,
    edited,
    issued,
    membership,
    organization,
    secret_facts,
    shown,
    with_status,
)
from tenure.domain.conditions import find_condition
from tenure.domain.planning.actions import EmitEvent, UpdateStatus
from tenure.domain.planning.apikeys import find_key_state, plan_api_key
from tenure.domain.planning.key_status import announced_status, issued_status, new_stamp, promotion
from tenure.domain.planning.observation import Announced, ApiKeyObservation, SecretReading, Tenure
from tenure.domain.planning.rotation import may_hold_newer_token
from tenure.domain.planning.states import KeyState
from tenure.domain.reasons import ConditionType
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.secret import SecretFacts
from tenure.domain.tokens import Token
from tenure.domain.validity import Verdict
from tenure.domain.views import announced_view, former_view

ORG, ALICE, CI = organization(), membership(), membership("ci", kind="ServiceAccount")
VIEWER = membership(role="Viewer", generation=2)
RECORD = {"from": "Member", "to": "Viewer", "generation": 2, "at": "2027-02-22T08:30:00Z", "keyCount": 0, "keys": []}
NEXT = Token.mint(b"n" * 48)
MINUTE = timedelta(minutes=1)
LIVE = issued(api_key(), ALICE, ORG)
GIVEN = edited(LIVE, membership="ci")
HELD = Announced(NEXT.hash, NOW)


def seen(
    key: ApiKey,
    *members: Membership,
    facts: SecretFacts | None = None,
    org: Organization = ORG,
    siblings: tuple[ApiKey, ...] = (),
    **rest: Any,
) -> ApiKeyObservation:
    """What the operator observes; of the members that it doesn't name there is none."""
    by_name = {member.name: member for member in members}
    target = by_name.pop(key.spec.membership, None)
    return ApiKeyObservation(
        api_key=key,
        membership=target,
        organization=org if target else None,
        siblings=(key, *siblings),
        now=rest.pop("now", NOW),
        secret=SecretReading(facts) if facts else None,
        others={name: Tenure(member, org) for name, member in by_name.items()},
        **rest,
    )


def announced(key: ApiKey = GIVEN, *members: Membership) -> ApiKey:
    observation = seen(key, *(members or (ALICE, CI)))
    stamp = new_stamp(observation, NOW)
    return with_status(key, announced_status(observation, stamp, key_id=NEXT.key_id, token_hash=NEXT.hash))


def delivered(key: ApiKey = GIVEN) -> SecretFacts:
    return replace(secret_facts(key), token=NEXT, written=NOW.replace(microsecond=0).isoformat())


def written(observation: ApiKeyObservation) -> ApiKeyStatus:
    """The status that the plan writes."""
    *_, update = plan_api_key(observation).actions
    assert isinstance(update, UpdateStatus)
    assert isinstance(update.status, ApiKeyStatus)
    return update.status


def handed_over(**spec: Any) -> ApiKey:
    """The key once ci's token was promoted."""
    key = edited(announced(), **spec)
    update = promotion(seen(key, ALICE, CI, facts=delivered()))[-1]
    assert isinstance(update, UpdateStatus)
    assert isinstance(update.status, ApiKeyStatus)
    return with_status(key, update.status)


WITHIN = handed_over(rotation={"overlap": "24h"})
BOB = membership("bob")
TO_BOB = edited(LIVE, membership="bob")
DEMOTED = membership("bob", role="Viewer", generation=2)
LISTED = {"name": "ci-deploy", "keyId": NEXT.key_id, "fate": "Reissued"}
RECORDED: dict[str, Any] = {
    "role": "Viewer",
    "generation": 2,
    "status": {"lastRoleChange": {**RECORD, "keyCount": 1, "keys": [LISTED]}},
}
BACK = edited(WITHIN, membership="alice")
LATER = NOW + 2 * MINUTE

STEPS: Mapping[str, tuple[ApiKeyObservation, KeyState, list[str]]] = {
    "handed over": (seen(GIVEN, ALICE, CI), KeyState.TO_ROTATE, ["AnnounceToken"]),
    "announced": (
        seen(announced(), ALICE, CI, facts=secret_facts(LIVE), announced=HELD),
        KeyState.TO_DELIVER,
        ["DeliverToken"],
    ),
    "delivered by a process that died": (
        seen(announced(), ALICE, CI, facts=delivered()),
        KeyState.TO_PROMOTE,
        ["EmitEvent Rotated", "UpdateStatus Issued"],
    ),
    "handed over again within the overlap": (
        seen(edited(WITHIN, membership="bob"), ALICE, CI, BOB, now=LATER),
        KeyState.TO_ROTATE,
        ["AnnounceToken"],
    ),
    "handed back": (seen(BACK, ALICE, CI, now=LATER), KeyState.TO_ROTATE, ["AnnounceToken"]),
    "handed back before the announcement": (
        seen(edited(GIVEN, membership="alice"), ALICE),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "handed back after the announcement": (
        seen(edited(announced(), membership="alice"), ALICE, CI, facts=secret_facts(LIVE), announced=HELD),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "handed back after the delivery": (
        seen(edited(announced(), membership="alice"), ALICE, CI, facts=delivered()),
        KeyState.TO_PROMOTE,
        ["EmitEvent Rotated", "UpdateStatus Issued"],
    ),
    "the other member is missing": (seen(GIVEN, ALICE), KeyState.WORKS, ["UpdateStatus Issued"]),
    "the other member is missing, and the Secret": (
        seen(GIVEN, ALICE, facts=replace(secret_facts(LIVE), token=None)),
        KeyState.TO_REPAIR,
        ["DeleteSecret", "IssueToken", "EmitEvent SecretReplaced"],
    ),
    "the other member is deleted after the announcement": (
        seen(announced(), ALICE, facts=secret_facts(LIVE), announced=HELD),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "the other member is deleted after the delivery": (
        seen(announced(), ALICE, facts=delivered()),
        KeyState.TO_REPAIR,
        ["DeleteSecret", "IssueToken", "EmitEvent SecretReplaced"],
    ),
    "the other member is suspended": (
        seen(GIVEN, ALICE, CI, org=organization(suspended_members=["ci"])),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "the other member is suspended after the announcement": (
        seen(
            announced(),
            ALICE,
            CI,
            facts=secret_facts(LIVE),
            announced=HELD,
            org=organization(suspended_members=["ci"]),
        ),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "the other member is suspended after the delivery": (
        seen(announced(), ALICE, CI, facts=delivered(), org=organization(suspended_members=["ci"])),
        KeyState.TO_PROMOTE,
        ["EmitEvent Rotated", "UpdateStatus Suspended"],
    ),
    "the other member's role changes after the delivery, and isn't recorded": (
        seen(announced(TO_BOB, ALICE, BOB), ALICE, DEMOTED, facts=delivered()),
        KeyState.WORKS,
        [],
    ),
    "the other member's role changes after the delivery, and is recorded": (
        seen(announced(TO_BOB, ALICE, BOB), ALICE, membership("bob", **RECORDED), facts=delivered()),
        KeyState.TO_REPAIR,
        ["DeleteSecret", "IssueToken", "EmitEvent SecretReplaced"],
    ),
    "its own member is suspended": (
        seen(GIVEN, ALICE, CI, org=organization(suspended_members=["alice"])),
        KeyState.SUSPENDED,
        ["UpdateStatus Suspended"],
    ),
    "the other member has all keys that it may have": (
        seen(
            GIVEN,
            ALICE,
            CI,
            org=organization(keys={"maxPerMember": 1}),
            siblings=(issued(api_key("first", membership="ci"), CI, ORG),),
        ),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "the former member has more keys than allowed": (
        seen(GIVEN, ALICE, CI, org=organization(keys={"maxPerMember": 1})),
        KeyState.TO_ROTATE,
        ["AnnounceToken"],
    ),
    "approved for another role": (
        seen(edited(GIVEN, forRole="Owner"), ALICE, CI),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "an older Membership of the other's subject": (
        seen(GIVEN, ALICE, CI, displaced_by="older"),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "revision in the same write": (seen(edited(GIVEN, revision=2), ALICE, CI), KeyState.TO_REISSUE, ["IssueToken"]),
    "revision in the same write, the other member is missing": (
        seen(edited(GIVEN, revision=2), ALICE),
        KeyState.TO_REVOKE,
        ["DeleteSecret", "UpdateStatus MembershipNotFound"],
    ),
    "revision within the overlap": (seen(edited(WITHIN, revision=2), ALICE, CI), KeyState.TO_REISSUE, ["IssueToken"]),
    "the role changed before the hand-over": (seen(GIVEN, VIEWER, CI), KeyState.TO_RECORD, ["DeleteSecret"]),
    "the role changed, and that is recorded": (
        seen(
            GIVEN,
            membership(
                role="Viewer",
                generation=2,
                status={
                    "lastRoleChange": {
                        **RECORD,
                        "keyCount": 1,
                        "keys": [{"name": "ci-deploy", "keyId": LIVE.status.key_id, "fate": "Reissued"}],
                    }
                },
            ),
            CI,
        ),
        KeyState.TO_REISSUE,
        ["DeleteSecret", "IssueToken"],
    ),
    "the member is removed before the hand-over": (
        seen(GIVEN, CI),
        KeyState.TO_REISSUE,
        ["DeleteSecret", "IssueToken"],
    ),
    "the former member's role changed": (seen(WITHIN, VIEWER, CI), KeyState.WORKS, []),
    "the former member's role changed just after the delivery": (
        seen(announced(), VIEWER, CI, facts=delivered()),
        KeyState.WORKS,
        [],
    ),
    "the former member is removed": (seen(WITHIN, CI), KeyState.WORKS, ["UpdateStatus Issued"]),
}


@pytest.mark.parametrize("case", STEPS)
def test_what_is_seen_decides_the_next_step(case: str) -> None:
    observation, state, actions = STEPS[case]
    plan = plan_api_key(observation)
    assert find_key_state(observation) is state
    assert [one for one in shown(plan) if one != "EmitEvent MembershipNotFound"] == actions


PENDING = {
    "the other member is missing": "waiting for Membership ci in this namespace",
    "the other member is deleted after the announcement": "Membership ci was deleted. Name another member",
    "the other member is suspended": "Suspended: ci is in spec.suspendedMembers",
    "the other member is suspended after the announcement": "Suspended: ci is in spec.suspendedMembers",
    "the other member has all keys that it may have": "ci already has 1 key",
    "approved for another role": "approved for the role Owner, but ci has the role Member",
    "an older Membership of the other's subject": "with the older Membership older",
}


@pytest.mark.parametrize("case", PENDING)
def test_the_present_token_stays_valid_while_the_hand_over_waits_and_the_condition_says_why(case: str) -> None:
    observation, _, _ = STEPS[case]
    status = written(observation)
    condition = find_condition(status.conditions, ConditionType.ROTATING)
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "HandOverPending")
    assert condition.message.startswith("Not handed over to ci yet. The present token of alice stays valid. ")
    assert PENDING[case] in condition.message
    assert (status.hash, status.next) == (LIVE.status.hash, None)
    assert observation.verdict() is Verdict.VALID
    assert plan_api_key(replace(observation, api_key=with_status(observation.api_key, status))).actions == ()


def test_a_hand_over_of_a_suspended_key_waits_and_the_condition_says_what_to_lift() -> None:
    observation, _, _ = STEPS["its own member is suspended"]
    condition = find_condition(written(observation).conditions, ConditionType.ROTATING)
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "HandOverPending")
    assert condition.message == (
        "Not handed over to ci yet. A suspended key gets no new token. Suspended: alice is in spec.suspendedMembers of "
        "the Organization. Remove it from there."
    )


def test_a_handed_over_key_has_a_token_of_each_member_and_each_is_judged_by_its_own() -> None:
    status, former = WITHIN.status, former_view(WITHIN)
    assert former is not None
    assert (WITHIN.holder, former.holder) == ("ci", "alice")
    assert (status.subject_kind, status.approval, status.secret_uid) == ("ServiceAccount", None, LIVE.status.secret_uid)
    assert status.previous is not None
    assert status.previous.hash == LIVE.status.hash
    for observation, present, old in (
        (seen(WITHIN, ALICE, CI), Verdict.VALID, Verdict.VALID),
        (seen(WITHIN, VIEWER, CI), Verdict.VALID, Verdict.ROLE_CHANGED),
        (seen(WITHIN, CI), Verdict.VALID, Verdict.MEMBERSHIP_GONE),
        (replace(seen(WITHIN, ALICE), organization=ORG), Verdict.MEMBERSHIP_GONE, Verdict.VALID),
        (seen(WITHIN, ALICE, CI, org=organization(suspended_members=["alice"])), Verdict.VALID, Verdict.SUSPENDED),
        (seen(edited(WITHIN, revision=2), ALICE, CI), Verdict.PENDING, Verdict.PENDING),
    ):
        key = observation.api_key
        assert (observation.verdict(), observation.verdict(former_view(key))) == (present, old)


def test_the_event_says_between_whom() -> None:
    event, _ = promotion(seen(announced(), ALICE, CI, facts=delivered()))
    assert isinstance(event, EmitEvent)
    assert event.note.startswith("The key was handed over from alice to ci. Token ")


def test_a_former_token_stays_in_the_status_until_its_members_role_change_is_recorded() -> None:
    plan = plan_api_key(seen(WITHIN, VIEWER, CI))
    assert plan.awaits_record
    listed = [{"name": "ci-deploy", "keyId": LIVE.status.key_id, "fate": "Reissued"}]
    recorded = membership(
        role="Viewer", generation=2, status={"lastRoleChange": {**RECORD, "keyCount": 1, "keys": listed}}
    )
    observation = seen(WITHIN, recorded, CI)
    assert not plan_api_key(observation).awaits_record
    assert written(observation).previous is None


def test_a_role_change_just_after_the_delivery_is_recorded_before_the_new_token_is_promoted() -> None:
    observation, _, _ = STEPS["the former member's role changed just after the delivery"]
    assert plan_api_key(observation).awaits_record
    assert observation.verdict(announced_view(observation.api_key)) is Verdict.VALID


def test_a_repair_issues_to_the_present_member_and_keeps_the_pair_in_mind() -> None:
    observation, _, _ = STEPS["the other member is missing, and the Secret"]
    assert observation.recipient.membership == ALICE
    stamp = new_stamp(observation, NOW, observation.recipient)
    status = issued_status(observation, stamp, key_id=NEXT.key_id, token_hash=NEXT.hash, secret_uid="another")
    assert (stamp.membership, status.subject_kind) == ("alice", "User")
    waits = written(seen(GIVEN, ALICE, CI, org=organization(suspended_members=["ci"])))
    assert waits.approval is not None
    assert (waits.approval.membership, waits.approval.membership_uid) == ("ci", CI.metadata.uid)
    repaired = issued_status(
        seen(with_status(GIVEN, waits), ALICE, CI),
        stamp,
        key_id=NEXT.key_id,
        token_hash=NEXT.hash,
        secret_uid="another",
    )
    assert repaired.approval == waits.approval


def test_the_next_holder_of_the_others_name_does_not_get_the_key() -> None:
    """The operator saw ci while it was suspended. Then ci is deleted, and another one is created."""
    key = with_status(GIVEN, written(seen(GIVEN, ALICE, CI, org=organization(suspended_members=["ci"]))))
    another = membership("ci", uid="another", created=NOW)
    condition = find_condition(written(seen(key, ALICE, another)).conditions, ConditionType.ROTATING)
    assert condition is not None
    assert "Membership ci was deleted and created again since the key was handed over" in condition.message
    assert find_key_state(seen(edited(key, revision=2), ALICE, another)) is KeyState.TO_REISSUE
    # A key that is handed over to bob, and then to ci again, was given to the present ci.
    bobs = edited(key, membership="bob")
    bobs = with_status(bobs, written(seen(bobs, ALICE, BOB, org=organization(suspended_members=["bob"]))))
    assert find_key_state(seen(edited(bobs, membership="ci"), ALICE, another)) is KeyState.TO_ROTATE


def test_a_key_without_a_token_passes_to_another_member() -> None:
    """Its Membership was deleted, and whoever hands it over approves it for the other one."""
    waits = with_status(api_key(created=NOW - timedelta(days=9)), written(seen(LIVE, CI)))
    assert find_key_state(seen(waits, CI)) is KeyState.REVOKED
    assert find_key_state(seen(edited(waits, membership="ci"), CI)) is KeyState.TO_ISSUE


def test_an_approval_of_the_former_member_does_not_bind_the_successor() -> None:
    robot = membership("robot", kind="ServiceAccount")
    approved = issued(api_key(membership="robot", for_role="Member"), robot, ORG)
    key = edited(approved, membership="ci", forRole=None)
    successor = announced(key, robot, CI).status.next
    assert successor is not None
    assert successor.issued.for_role is None


def test_before_a_handed_over_keys_secret_is_deleted_the_key_is_read_again() -> None:
    assert may_hold_newer_token(seen(GIVEN, VIEWER, CI))
    assert not may_hold_newer_token(seen(LIVE, VIEWER))
