"""The tables of states are what the planners do: each step is a row, each row is reached, none revives a token."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.objects.builders import api_key, membership
from support.objects.key_events import CRASHES, EVENTS, HAND_OVERS
from support.objects.key_model import Cluster
from tenure.domain.planning.actions import Action, EmitEvent, IssueToken, Plan, UpdateStatus
from tenure.domain.planning.apikeys import find_key_state, plan_api_key
from tenure.domain.planning.memberships import find_change_state
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.planning.states import (
    CHANGE_STATES,
    CHANGE_STEPS,
    KEY_STATES,
    KEY_STEPS,
    RECORDED,
    STAGES,
    ChangeState,
    KeyState,
    Stage,
    Step,
)
from tenure.domain.resources import Membership

S = TypeVar("S", KeyState, ChangeState)
Kinds = tuple[type[Action], ...]

RECORDS, OVERLOOKS, HANDLES, SWEEPS, IS_BEHIND = "records", "overlooks the key", "handles", "sweeps", "is behind"
HAPPENINGS = EVENTS | HAND_OVERS
WORK = (RECORDS, OVERLOOKS, HANDLES, SWEEPS, IS_BEHIND)
"""The operator reconciles the Membership, does so without knowing the key, reconciles the key, does so after reading
its Secret, or reconciles the key by a cache that has the Membership as it was before its last role change."""

SECONDS = ["a second"] * 3
DELETED = [HANDLES, "Viewer", HANDLES, RECORDS, HANDLES, *SECONDS, HANDLES]
SEVERED = [RECORDS, "operator crashes before write 2"]
"""A Secret was written, and the status doesn't name it."""
ANNOUNCED = [HANDLES, "an hour", "rotation requested", HANDLES]
RARE: tuple[list[str], ...] = (
    [HANDLES, RECORDS, "revision raised", "operator crashes before write 3", "policy with expiry", SWEEPS, SWEEPS],
    [*SEVERED, "key suspended", SWEEPS, SWEEPS, "key not suspended", SWEEPS],
    [HANDLES, "secret foreign", SWEEPS, "secret deleted", SWEEPS],
    [HANDLES, "secret foreign", "revision raised", SWEEPS],
    [HANDLES, "secret foreign", "policy with expiry", SWEEPS],
    [HANDLES, "secret deleted", SWEEPS, "secret emptied", SWEEPS],
    [HANDLES, "forRole Viewer", "forRole removed", HANDLES, "forRole Viewer", HANDLES],
    [HANDLES, "policy Revoke", "Viewer", RECORDS, HANDLES, "forRole Viewer", "policy with expiry", "policy Revoke"],
    [*DELETED, "key created again", RECORDS, RECORDS, "Member"],
    [HANDLES, RECORDS, "Viewer", OVERLOOKS, RECORDS, "forRole Viewer", RECORDS, HANDLES, IS_BEHIND, "Member"],
    [RECORDS, "Viewer", RECORDS, "key suspended", RECORDS, "Member"],
    [HANDLES, "key suspended", HANDLES, "key not suspended", HANDLES],
    [HANDLES, "Viewer", "forRole Viewer", RECORDS, HANDLES],
    [HANDLES, "secret deleted", *SEVERED, "membership gone", SWEEPS, SWEEPS],
    [HANDLES, RECORDS, "Viewer", RECORDS, "organization suspended", RECORDS, "Member"],
    [HANDLES, RECORDS, "Viewer", OVERLOOKS, "Analyst"],
    [HANDLES, RECORDS, "policy Revoke", "Viewer", RECORDS, "Analyst", HANDLES],
    [HANDLES, "secret foreign", "Viewer", "forRole Viewer", RECORDS, HANDLES],
    [*ANNOUNCED, "forRole Member", HANDLES, *SECONDS, HANDLES],
    [*ANNOUNCED, "operator restarts", HANDLES],
    [*ANNOUNCED, RECORDS, *SECONDS, "operator crashes before write 2", HANDLES],
    [*ANNOUNCED, "Viewer", RECORDS, HANDLES],
    [*ANNOUNCED, *SECONDS, HANDLES, "Viewer", RECORDS, HANDLES],
)
"""Histories that chance finds seldom."""


def _kinds(actions: Iterable[Action]) -> Kinds:
    return tuple(type(action) for action in actions)


def _is_row(step: Step[S], rows: Sequence[Step[S]]) -> list[Step[S]]:
    """The rows of a step; a status that is up to date isn't written."""

    def fits(row: Step[S]) -> bool:
        silent = tuple(kind for kind in row.actions if kind is not UpdateStatus)
        return (row.before, row.after) == (step.before, step.after) and step.actions in (row.actions, silent)

    return [row for row in rows if fits(row)]


class Walk:
    """A history of one key, each step of which is compared with the tables."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.rows: set[Step[KeyState] | Step[ChangeState]] = set()
        """The rows that were reached."""

    def go(self, events: Iterable[str]) -> None:
        """Let the events happen, and check each."""
        for event in events:
            self._take(event)
            self.cluster.witness()

    def _take(self, event: str) -> None:
        match event:
            case "records" | "overlooks the key":
                self._record(overlooks=event == OVERLOOKS)
            case "handles" | "sweeps" if not self.cluster.is_gone:
                self._handle(reads_secret=event == SWEEPS)
            case "is behind" if not self.cluster.is_gone:
                self._handle(by=self.cluster.former_member)
            case _ if event in HAPPENINGS:
                self._happen(event)
            case _ if event in CRASHES:
                CRASHES[event](self.cluster)

    def _key_state(self) -> KeyState:
        return KeyState.GONE if self.cluster.is_gone else find_key_state(self.cluster.observe())

    def _change_state(self) -> ChangeState | None:
        seen = self.cluster.observe_member()
        return None if seen is None else find_change_state(seen)

    def _happen(self, event: str) -> None:
        key, change, member = self._key_state(), self._change_state(), self.cluster.member
        HAPPENINGS[event](self.cluster)
        if key is not KeyState.GONE:
            self._check_key_event(key, self._key_state())
        if member and self.cluster.member and member.metadata.uid == self.cluster.member.metadata.uid:
            self._check_change_event(change, self._change_state())

    def _record(self, *, overlooks: bool) -> None:
        key = self._key_state()
        self.cluster.is_overlooked = overlooks
        before = self._change_state()
        actions = self.cluster.reconcile_member()
        self.cluster.reconcile_others()
        after = self._change_state()
        self.cluster.is_overlooked = False
        if before is not None and after is not None:
            self._check_step(Step(before, "", _kinds(actions), after), CHANGE_STEPS)
            self._check_change_event(after, self._change_state())
        self._check_key_event(key, self._key_state())

    def _handle(self, *, reads_secret: bool = False, by: Membership | None = None) -> None:
        def observe(by: Membership | None) -> ApiKeyObservation:
            return self.cluster.observe(reads_secret=reads_secret, by=by)

        change, seen = self._change_state(), observe(by)
        if find_key_state(seen) is KeyState.TO_READ:
            assert plan_api_key(seen) == Plan(needs_fresh_read=True)
            self._reach(KEY_STEPS, KeyState.WORKS, KeyState.TO_READ)
            self._reach(KEY_STEPS, KeyState.TO_READ, KeyState.WORKS)
        if plan_api_key(seen).needs_proof:
            by = None
            seen = observe(by)
        before = find_key_state(seen)
        kinds = tuple(kind for kind in _kinds(self.cluster.reconcile_key(seen)) if kind is not EmitEvent)
        after = KeyState.GONE if self.cluster.is_gone else find_key_state(observe(by))
        self._check_step(Step(before, "", kinds, after), KEY_STEPS)
        self._check_change_event(change, self._change_state())

    def _check_step(self, step: Step[S], rows: Sequence[Step[S]]) -> None:
        """A plan is a row; an empty one is a state that only waits."""
        found = _is_row(step, rows)
        if step.actions:
            assert found, f"no row: {step}"
            self.rows.update(found)
        else:
            assert step.before == step.after
            assert any(row.actions == (UpdateStatus,) and row.before == row.after == step.before for row in rows), step

    def _check_key_event(self, before: KeyState, after: KeyState) -> None:
        """An event stays within its stage, or it is a row."""
        origin = KeyState.WORKS if STAGES[before] is Stage.CURRENT and STAGES[after] is not Stage.CURRENT else before
        target = KeyState.WORKS if STAGES[after] is Stage.CURRENT and STAGES[before] is not Stage.CURRENT else after
        found = self._reach(KEY_STEPS, origin, target)
        assert found or STAGES[before] is STAGES[after], f"no row: {before} -> {after}"

    def _check_change_event(self, before: ChangeState | None, after: ChangeState | None) -> None:
        if before is not None and after is not None:
            found = self._reach(CHANGE_STEPS, before, after)
            assert found or before is after or {before, after} <= RECORDED, f"no row: {before} -> {after}"

    def _reach(self, rows: Sequence[Step[S]], before: S, after: S) -> bool:
        found = _is_row(Step(before, "", (), after), [row for row in rows if not row.actions])
        self.rows.update(found)
        return bool(found)

    def rest(self) -> None:
        """Let the operator work until nothing is left: a dead token has no Secret then."""
        self.go([RECORDS, SWEEPS, "a second"] * 6)
        cluster = self.cluster
        assert not cluster.delivers_dead_token
        if STAGES[self._key_state()] is not Stage.CURRENT:
            assert cluster.secret is None or not cluster.secret.is_owned_by(cluster.key), "a dead token is delivered"


def _start(kind: str, for_role: str | None) -> Walk:
    """A walk from a new key."""
    return Walk(Cluster(key=api_key(for_role=for_role), member=membership(kind=kind)))


def test_every_step_is_a_row_and_every_row_is_reached() -> None:
    reached: set[Step[KeyState] | Step[ChangeState]] = set()
    names = [*EVENTS, *HAND_OVERS, *CRASHES, *WORK * 6]

    @given(
        st.sampled_from(["User", "User", "ServiceAccount"]),
        st.sampled_from([None, None, "Member"]),
        st.lists(st.sampled_from(names), max_size=14).map(lambda events: [RECORDS, HANDLES, *events]),
    )
    @settings(max_examples=300, derandomize=True, database=None)
    def walk(kind: str, for_role: str | None, events: list[str]) -> None:
        walk = _start(kind, for_role)
        walk.go(events)
        walk.rest()
        reached.update(walk.rows)

    for events in RARE:
        walk = example("User", None, events)(walk)
    walk()
    missed = [step for step in (*KEY_STEPS, *CHANGE_STEPS) if step not in reached]
    assert not missed, f"rows that no history reaches: {missed}"


OUTDATED: dict[KeyState, list[str]] = {
    KeyState.TO_RECORD: ["Viewer"],
    KeyState.TO_DELETE: ["Viewer", RECORDS],
    KeyState.TO_REVOKE: ["policy Revoke", "Viewer", RECORDS],
    KeyState.TO_REISSUE: ["forRole Viewer", "Viewer", RECORDS],
    KeyState.TO_CLEAN: ["secret deleted", *SEVERED, "membership gone", HANDLES],
    KeyState.TO_ISSUE: ["secret foreign", SWEEPS, "secret deleted", *SEVERED, "revision raised"],
}
"""For each state without a current token a history that leads to it, where a dead token's Secret may still exist."""


@pytest.mark.parametrize("state", OUTDATED)
@pytest.mark.parametrize("second", range(1, 6))
@pytest.mark.parametrize("first", range(1, 6))
def test_the_secret_of_a_dead_token_goes_wherever_the_work_is_cut_off(state: KeyState, first: int, second: int) -> None:
    walk = _start("User", None)
    walk.go([RECORDS, HANDLES, *OUTDATED[state]])
    assert find_key_state(walk.cluster.observe()) is state
    assert walk.cluster.delivers_dead_token
    walk.go([f"operator crashes before write {first}", f"operator crashes before write {second}"])
    walk.rest()


def test_the_secret_goes_even_if_the_record_is_never_written() -> None:
    walk = _start("User", None)
    walk.go([HANDLES, "Viewer", HANDLES, HANDLES])
    assert walk.cluster.secret is None
    assert find_key_state(walk.cluster.observe()) is KeyState.TO_RECORD
    assert not walk.cluster.is_gone


def test_each_state_without_a_current_token_is_cut_off() -> None:
    outdated = {state for state, stage in STAGES.items() if stage is Stage.OUTDATED}
    assert outdated <= set(OUTDATED)


def test_only_a_new_token_leads_back_to_a_key_that_works() -> None:
    back = [
        step
        for step in KEY_STEPS
        if STAGES[step.before] in (Stage.OUTDATED, Stage.NONE)
        and STAGES[step.after] in (Stage.CURRENT, Stage.UNKNOWN)
        and IssueToken not in step.actions
    ]
    assert back == []


def test_no_event_leads_away_from_a_role_change_that_is_not_recorded() -> None:
    assert [step for step in CHANGE_STEPS if step.before is ChangeState.SEEN and not step.actions] == []
    assert all(EmitEvent in step.actions for step in CHANGE_STEPS if step.before is ChangeState.SEEN)


def test_every_state_is_described_and_has_a_step() -> None:
    assert set(KEY_STATES) == set(STAGES) == set(KeyState)
    assert set(CHANGE_STATES) == set(ChangeState)
    assert {state for step in KEY_STEPS for state in (step.before, step.after)} == set(KeyState)
    assert {state for step in CHANGE_STEPS for state in (step.before, step.after)} == set(ChangeState)
