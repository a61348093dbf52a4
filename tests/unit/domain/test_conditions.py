"""Conditions change only when there is news."""

from datetime import timedelta

import pytest

from support.objects.builders import ISSUED, NOW, condition
from tenure.domain.conditions import find_condition, readiness, ready_reason, renew_condition, stalls_at
from tenure.domain.reasons import GRACE, STALLED, STATES, ConditionType, Reason
from tenure.domain.resources.base import Condition, ConditionStatus

OLD = Condition.model_validate(condition("Ready", "Issued", holds=True, since=ISSUED, generation=1))
UNKNOWN = OLD.model_copy(update={"status": ConditionStatus.UNKNOWN})


def _renewed(*old: Condition, holds: bool, reason: Reason = Reason.ISSUED) -> Condition:
    now = NOW + timedelta(microseconds=5)
    return renew_condition(old, ConditionType.READY, holds=holds, reason=reason, message="news", generation=2, now=now)


@pytest.mark.parametrize(
    ("old", "holds", "reason", "changed"),
    [
        pytest.param((), True, Reason.ISSUED, True, id="first"),
        pytest.param((OLD,), True, Reason.ISSUED, False, id="same"),
        pytest.param((OLD,), True, Reason.ACTIVE, False, id="another reason"),
        pytest.param((OLD,), False, Reason.EXPIRED, True, id="another status"),
        pytest.param((UNKNOWN,), True, Reason.ISSUED, True, id="was unknown"),
        pytest.param((UNKNOWN,), False, Reason.EXPIRED, True, id="was unknown, is false"),
        pytest.param((OLD.model_copy(update={"type": "Stalled"}),), True, Reason.ISSUED, True, id="of another type"),
    ],
)
def test_the_transition_time_moves_with_the_status_alone(
    old: tuple[Condition, ...], reason: Reason, *, holds: bool, changed: bool
) -> None:
    renewed = _renewed(*old, holds=holds, reason=reason)
    assert renewed.last_transition_time == (NOW if changed else ISSUED)


def test_all_but_the_transition_time_is_new() -> None:
    renewed = _renewed(OLD, holds=True, reason=Reason.ACTIVE)
    assert renewed.reason == "Active"
    assert renewed.message == "news"
    assert renewed.observed_generation == 2
    assert renewed.status is ConditionStatus.TRUE


def test_what_is_written_reads_back_equal() -> None:
    renewed = _renewed(holds=False, reason=Reason.EXPIRED)
    assert Condition.model_validate(renewed.model_dump(by_alias=True, mode="json")) == renewed


def _readiness(*old: Condition, reason: Reason) -> list[Condition]:
    said = {"kind": "Secret", "ready": reason is Reason.ISSUED, "reason": reason, "message": "why", "generation": 2}
    return readiness(old, **said, now=NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", [pytest.param(reason, id=reason) for reason in Reason])
def test_stalled_is_there_exactly_where_waiting_is_hopeless(reason: Reason) -> None:
    conditions = _readiness(reason=reason)
    assert [each.type for each in conditions] == (["Ready", "Stalled"] if reason in STALLED else ["Ready"])
    assert {each.reason for each in conditions} == {reason}
    if reason in STALLED:
        assert conditions[1].status is ConditionStatus.TRUE
        assert conditions[1].message == conditions[0].message


def test_stalled_goes_when_the_key_is_issued_again() -> None:
    stalled = _readiness(reason=Reason.EXPIRED)
    assert [each.type for each in _readiness(*stalled, reason=Reason.ISSUED)] == ["Ready"]


def test_stalled_keeps_its_time_while_only_its_reason_changes() -> None:
    old = Condition.model_validate(condition("Stalled", "Expired", holds=True, since=ISSUED))
    _, stalled = _readiness(old, reason=Reason.ROLE_CHANGED)
    assert stalled.last_transition_time == ISSUED


GRACE_TIME = GRACE["ApiKey", Reason.ROLE_MISMATCH]


def _patient(*old: Condition, after: float, reason: Reason = Reason.ROLE_MISMATCH, generation: int = 2) -> Condition:
    now = NOW + timedelta(seconds=after)
    said = {"kind": "ApiKey", "ready": False, "reason": reason, "message": "why", "generation": generation}
    return readiness(old, **said, now=now)[1]  # type: ignore[arg-type]


def test_stalled_has_a_grace_in_which_another_write_of_the_commit_may_come() -> None:
    first = _patient(after=0)
    assert (first.status, stalls_at([first], "ApiKey")) == (ConditionStatus.FALSE, NOW + GRACE_TIME)
    between = _patient(first, after=4.9)
    assert (between.status, between.last_transition_time) == (ConditionStatus.FALSE, NOW)
    over = _patient(between, after=5)
    assert (over.status, stalls_at([over], "ApiKey")) == (ConditionStatus.TRUE, None)
    assert _patient(over, after=99).last_transition_time == NOW + GRACE_TIME
    assert stalls_at([], "ApiKey") is None


def test_the_grace_begins_anew_with_the_next_write_and_ends_though_reasons_change() -> None:
    over = _patient(_patient(after=0), after=5)
    assert _patient(over, after=60, generation=3).status is ConditionStatus.FALSE
    assert _patient(over, after=60, reason=Reason.ROLE_CHANGED).status is ConditionStatus.FALSE
    other = _patient(_patient(after=0), after=3, reason=Reason.ROLE_CHANGED)
    assert other.status is ConditionStatus.FALSE
    assert _patient(other, after=5, reason=Reason.ROLE_MISMATCH).status is ConditionStatus.TRUE


def test_a_missing_reference_has_a_grace_of_its_own() -> None:
    """A commit's objects come in any order, and its tool may have to try again."""
    missing = _patient(after=0, reason=Reason.MEMBERSHIP_NOT_FOUND)
    assert missing.status is ConditionStatus.FALSE
    assert stalls_at([missing], "ApiKey") == NOW + timedelta(minutes=10)
    late = _patient(missing, after=599, reason=Reason.MEMBERSHIP_NOT_FOUND)
    assert late.status is ConditionStatus.FALSE
    assert _patient(late, after=600, reason=Reason.MEMBERSHIP_NOT_FOUND).status is ConditionStatus.TRUE


def test_a_grace_begins_anew_where_another_length_follows() -> None:
    """The Membership comes after a minute, and then its role is still the former one."""
    missing = _patient(after=0, reason=Reason.MEMBERSHIP_NOT_FOUND)
    mismatch = _patient(missing, after=60)
    assert (mismatch.status, mismatch.last_transition_time) == (ConditionStatus.FALSE, NOW + timedelta(seconds=60))
    assert _patient(mismatch, after=65).status is ConditionStatus.TRUE
    without = _patient(mismatch, after=62, reason=Reason.ORGANIZATION_NOT_FOUND)
    assert stalls_at([without], "ApiKey") == NOW + timedelta(seconds=62, minutes=10)


def test_a_condition_is_found_by_its_type() -> None:
    stalled = OLD.model_copy(update={"type": "Stalled", "reason": "Expired"})
    assert find_condition([stalled, OLD], ConditionType.READY) == OLD
    assert find_condition([stalled], ConditionType.READY) is None
    assert ready_reason([stalled, OLD]) == "Issued"
    assert ready_reason([stalled]) is None


def test_every_reason_is_in_the_table_and_every_row_is_one_of_a_kind() -> None:
    assert {state.reason for state in STATES} == set(Reason)
    rows = [(state.kind, state.type, state.reason) for state in STATES]
    assert len(set(rows)) == len(rows)
    assert all(state.meaning.endswith(".") for state in STATES)


@pytest.mark.parametrize("reason", [pytest.param(reason, id=reason) for reason in sorted(STALLED)])
def test_a_reason_is_hopeless_wherever_it_is_given(reason: Reason) -> None:
    given = [state for state in STATES if state.reason is reason and state.type is ConditionType.READY]
    assert all(state.stalled for state in given)
    assert all(state.status is ConditionStatus.FALSE for state in given)
