"""The plan for a Membership: its status, and the record of a role change."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.objects.builders import (
    CREATED,
    NOW,
    api_key,
    condition,
    edited,
    issued,
    membership,
    organization,
    rotated,
    shown,
    with_status,
)
from tenure.domain.installation import Installation, Limits
from tenure.domain.planning.actions import Action, EmitEvent, EventType, Plan, Regarding, UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import API_VERSION, format_time
from tenure.domain.resources.membership import MembershipStatus, RoleChange
from tenure.domain.roles import Role

ORG = organization()
BEFORE = membership()
RECORDED = ["EmitEvent RoleChanged", "EmitEvent RoleChanged", "UpdateStatus Active"]
QUIET = ["UpdateStatus Active"]


def _key(name: str = "ci-deploy", *, member: Membership = BEFORE, generation: int = 1, **spec: Any) -> ApiKey:
    """A key that was issued when the Membership was at that generation."""
    return issued(api_key(name, **spec), member, ORG, membership_generation=generation, role="Member")


def _observed(
    *,
    role: str = "Viewer",
    generation: int = 2,
    seen: int = 1,
    was: str | None = "Member",
    change: Mapping[str, Any] | None = None,
    kind: str = "User",
    **meta: Any,
) -> Membership:
    """A Membership that was last observed at generation `seen` with the role `was`."""
    status = {
        "observedGeneration": seen,
        "conditions": [condition("Ready", "Active", holds=True)],
        **({"role": was} if was else {}),
        **({"lastRoleChange": change} if change else {}),
    }
    return membership(role=role, generation=generation, kind=kind, status=status, **meta)


def role_field(manager: str, at: datetime = CREATED, *, subresource: str = "") -> dict[str, Any]:
    """An entry of `metadata.managedFields` that owns `spec.role`."""
    entry = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": API_VERSION,
        "time": format_time(at),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:role": {}}},
    }
    return {**entry, "subresource": subresource} if subresource else entry


def _plan(member: Membership, keys: Sequence[ApiKey] = (), org: Organization | None = ORG, **more: Any) -> Plan[Action]:
    return plan_membership(MembershipObservation(membership=member, organization=org, keys=keys, now=NOW, **more))


def _status(plan: Plan[Action]) -> MembershipStatus:
    action = plan.actions[-1]
    assert isinstance(action, UpdateStatus)
    assert isinstance(action.status, MembershipStatus)
    return action.status


def _change(plan: Plan[Action]) -> dict[str, Any] | None:
    change = _status(plan).last_role_change
    return None if change is None else change.model_dump(by_alias=True, mode="json", exclude_none=True)


def _ended(key: ApiKey, fate: str = "Deleted") -> dict[str, Any]:
    return {"name": key.name, "keyId": key.status.key_id, "fate": fate}


def _record(*keys: ApiKey, generation: int = 2, **overrides: Any) -> dict[str, Any]:
    return {
        "from": "Member",
        "to": "Viewer",
        "generation": generation,
        "at": "2027-02-22T08:30:00Z",
        "keyCount": len(keys),
        "keys": [_ended(key) for key in keys],
        **overrides,
    }


A, B, C = _key("a"), _key("b"), _key("c")
SA = membership(kind="ServiceAccount")
APPROVED = _key("approved", member=SA, for_role="Member")
UNAPPROVED = _key("plain", member=SA)
APPROVED_LATER = edited(_key("later", member=SA), forRole="Member")


@pytest.mark.parametrize(
    ("member", "keys", "change"),
    [
        pytest.param(_observed(), [], _record(), id="no keys"),
        pytest.param(_observed(), [B, A], _record(A, B), id="keys by name"),
        pytest.param(
            _observed(role="Member", generation=3),
            [A],
            _record(A, generation=3, to="Member"),
            id="changed and changed back while nobody looked",
        ),
        pytest.param(
            _observed(role="Owner", generation=5, was="Analyst"),
            [A],
            _record(A, generation=5, **{"from": "Analyst", "to": "Owner"}),
            id="several changes at once: from the one that was seen",
        ),
        pytest.param(_observed(seen=-1, was=None), [A], _record(A), id="first observation, key of an earlier role"),
        pytest.param(
            _observed(seen=-1, was=None, generation=4),
            [_key("old", generation=1), issued(api_key("new"), BEFORE, ORG, membership_generation=3, role="Analyst")],
            None,
            id="first observation: from the latest stamp",
        ),
        pytest.param(membership(role="Viewer", generation=2), [], {}, id="first observation, no key"),
        pytest.param(membership(), [A], {}, id="first observation, current key"),
        pytest.param(_observed(role="Member", generation=1), [A], {}, id="nothing changed"),
        pytest.param(
            _observed(), [A, issued(api_key("ended"), BEFORE, ORG, secret_uid=None)], _record(A), id="ended before"
        ),
        pytest.param(_observed(), [A, api_key("waits")], _record(A), id="never issued"),
        pytest.param(_observed(), [A, _key("new", generation=2)], _record(A), id="issued under the new role already"),
        pytest.param(_observed(uid="another"), [A], _record(), id="key of a Membership of the same name before"),
        pytest.param(
            _observed(generation=3, seen=2, change=_record(A)), [B], _record(B, generation=3), id="a second change"
        ),
        pytest.param(_observed(kind="ServiceAccount"), [UNAPPROVED], _record(), id="service account"),
        pytest.param(
            _observed(kind="ServiceAccount"),
            [UNAPPROVED, APPROVED],
            _record(APPROVED, keys=[_ended(APPROVED, "Revoked")]),
            id="service account, approved key",
        ),
        pytest.param(
            _observed(kind="ServiceAccount"),
            [APPROVED_LATER],
            _record(APPROVED_LATER, keys=[_ended(APPROVED_LATER, "Revoked")]),
            id="service account, approved after the issue",
        ),
        pytest.param(
            _observed(kind="ServiceAccount"),
            [edited(UNAPPROVED, forRole="Viewer")],
            _record(UNAPPROVED, keys=[_ended(UNAPPROVED, "Reissued")]),
            id="service account, approved for the new role after the issue",
        ),
        pytest.param(
            _observed(kind="ServiceAccount"),
            [issued(APPROVED, SA, ORG, secret_uid=None)],
            _record(),
            id="service account, approved key that ended before",
        ),
    ],
)
def test_a_role_change_is_recorded_with_the_keys_that_it_ended(
    member: Membership, keys: list[ApiKey], change: dict[str, Any] | None
) -> None:
    plan = _plan(member, keys)
    if change is None:
        recorded = _change(plan)
        assert recorded is not None
        assert (recorded["from"], recorded["keyCount"]) == ("Analyst", 2)
    else:
        assert _change(plan) == (change or None)
    assert shown(plan) == (QUIET if change == {} else RECORDED)
    assert plan.needs_proof is False


@pytest.mark.parametrize(
    ("keys", "change", "expected"),
    [
        pytest.param([A], _record(A), _record(A), id="nothing new"),
        pytest.param([], _record(A), _record(A), id="the ended key is gone"),
        pytest.param([C, B], _record(A), _record(A, B, C), id="late keys"),
        pytest.param([A, C], _record(B), _record(A, B, C), id="late keys, by name"),
        pytest.param([C], _record(A, keyCount=1200), _record(A, keyCount=1200), id="a record that is full"),
        pytest.param(
            [C], _record(A, at="2027-02-22T08:29:00Z"), _record(A, C, at="2027-02-22T08:29:00Z"), id="its time is kept"
        ),
    ],
)
def test_keys_that_are_seen_late_are_added_without_an_event(
    keys: list[ApiKey], change: dict[str, Any], expected: dict[str, Any]
) -> None:
    plan = _plan(_observed(seen=2, was="Viewer", change=change), keys)
    assert _change(plan) == expected
    assert shown(plan) == QUIET


def test_a_key_that_was_approved_at_the_last_moment_is_recorded_as_reissued() -> None:
    plan = _plan(_observed(seen=2, was="Viewer", change=_record(A)), [edited(A, forRole="Viewer")])
    recorded = _change(plan)
    assert recorded is not None
    assert [key["fate"] for key in recorded["keys"]] == ["Reissued"]
    assert recorded["keyCount"] == 1


def test_a_key_that_was_kept_stays_recorded_as_revoked_when_it_is_approved_later() -> None:
    change = _record(A, keys=[_ended(A, "Revoked")])
    plan = _plan(_observed(seen=2, was="Viewer", change=change), [edited(A, forRole="Viewer")])
    assert _change(plan) == change


@pytest.mark.parametrize(
    ("description", "recorded"),
    [("infra/deploy", "infra/deploy"), ("x" * 64, "x" * 64), ("x" * 256, f"{'x' * 63}…"), ("", None), (None, None)],
)
def test_the_record_has_the_beginning_of_a_description(description: str | None, recorded: str | None) -> None:
    change = _status(_plan(_observed(), [edited(A, description=description)])).last_role_change
    assert change is not None
    assert [key.description for key in change.keys] == [recorded]


@pytest.mark.parametrize(
    ("keys", "more", "fate"),
    [
        pytest.param([A], {"displaced_by": "old-alice"}, "Revoked", id="member displaced"),
        pytest.param([edited(A, forRole="Viewer")], {}, "Reissued", id="approved"),
        pytest.param(
            [edited(A, forRole="Viewer")],
            {"installation": Installation(limits=Limits(require_expiry=True))},
            "Revoked",
            id="approved, and the installation demands an expiry",
        ),
    ],
)
def test_the_recorded_fate_follows_from_all_that_is_known(keys: list[ApiKey], more: dict[str, Any], fate: str) -> None:
    change = _change(_plan(_observed(), keys, **more))
    assert change is not None
    assert [key["fate"] for key in change["keys"]] == [fate]


def test_a_change_is_recorded_in_whole_seconds() -> None:
    seen = MembershipObservation(_observed(), ORG, [A], NOW + timedelta(microseconds=999_999))
    change = _status(plan_membership(seen)).last_role_change
    assert change is not None
    assert change.at == NOW


def test_a_record_lists_a_thousand_keys_and_counts_all() -> None:
    keys = [_key(f"key-{number:04}") for number in range(1003)]
    change = _status(_plan(_observed(), keys)).last_role_change
    assert change is not None
    assert (change.key_count, len(change.keys)) == (1003, 1000)
    assert change.keys[-1].name == "key-0999"


def test_a_late_key_that_does_not_fit_into_the_list_is_counted() -> None:
    """Its ApiKey would wait for the record for ever."""
    full = _record(*(_key(f"a-{number:04}") for number in range(1000)))
    change = _status(_plan(_observed(seen=2, was="Viewer", change=full), [B])).last_role_change
    assert change is not None
    assert (change.key_count, len(change.keys)) == (1001, 1000)


@pytest.mark.parametrize(
    ("managed_fields", "manager"),
    [
        pytest.param([role_field("argocd-controller")], "argocd-controller", id="one"),
        pytest.param(
            [role_field("kubectl-edit", CREATED + timedelta(days=1)), role_field("argocd-controller", CREATED)],
            "kubectl-edit",
            id="the latest",
        ),
        pytest.param(
            [role_field("kubectl", CREATED), role_field("tenure", NOW, subresource="status")],
            "kubectl",
            id="not through a subresource",
        ),
        pytest.param([{"manager": "x", "fieldsV1": {"f:spec": {"f:organization": {}}}}], None, id="of another field"),
        pytest.param([{"manager": "x", "fieldsV1": {"f:status": {"f:role": {}}}}], None, id="of the status' role"),
        pytest.param([{"manager": "x"}, {"manager": "y", "fieldsV1": None}], None, id="no fields"),
        pytest.param([], None, id="none"),
        pytest.param(None, None, id="left out"),
    ],
)
def test_the_record_names_who_set_the_role(managed_fields: Any, manager: str | None) -> None:
    change = _status(_plan(_observed(managed_fields=managed_fields))).last_role_change
    assert isinstance(change, RoleChange)
    assert change.field_manager == manager


def _notes(plan: Plan[Action]) -> list[str]:
    return [action.note for action in plan.actions if isinstance(action, EmitEvent)]


def test_a_role_change_is_announced_once_on_the_member_and_on_its_organization() -> None:
    events = [event for event in _plan(_observed(), [A, B]).actions if isinstance(event, EmitEvent)]
    assert [event.regarding for event in events] == [Regarding.SELF, Regarding.ORGANIZATION]
    assert {event.occurrence for event in events} == {f"{BEFORE.metadata.uid}/2"}
    assert {event.type for event in events} == {EventType.WARNING}


def test_a_change_that_ends_no_key_is_no_warning() -> None:
    events = [event for event in _plan(_observed()).actions if isinstance(event, EmitEvent)]
    assert {event.type for event in events} == {EventType.NORMAL}


@pytest.mark.parametrize(
    ("member", "keys", "note"),
    [
        pytest.param(
            _observed(managed_fields=[role_field("argocd-controller")]),
            [B, A],
            "The role of alice was changed from Member to Viewer by argocd-controller. This revoked 2 keys: a, b",
            id="two keys",
        ),
        pytest.param(
            _observed(), [], "The role of alice was changed from Member to Viewer. This revoked no keys", id="none"
        ),
        pytest.param(
            _observed(role="Member", generation=3),
            [A],
            "The role of alice was changed and changed back to Member. This revoked 1 key: a",
            id="back",
        ),
        pytest.param(
            _observed(),
            [_key(f"k{number}") for number in range(9)],
            "The role of alice was changed from Member to Viewer. This revoked 9 keys: k0, k1, k2, k3, k4, k5, k6, k7 "
            "and 1 more",
            id="nine keys",
        ),
    ],
)
def test_an_event_names_the_keys(member: Membership, keys: list[ApiKey], note: str) -> None:
    assert set(_notes(_plan(member, keys))) == {note}


def test_a_key_with_several_tokens_is_listed_once_for_each_and_counted_once_in_the_event() -> None:
    plan = _plan(_observed(), [rotated(A, announced="N" * 12, former="F" * 12), B])
    change = _change(plan)
    assert change is not None
    listed = [(key["name"], key["keyId"]) for key in change["keys"]]
    assert sorted(listed) == sorted([("a", A.status.key_id), ("a", "N" * 12), ("a", "F" * 12), ("b", B.status.key_id)])
    assert change["keyCount"] == 4
    assert "This revoked 2 keys: a, b" in _notes(plan)[0]


def test_the_longest_event_fits_into_an_event() -> None:
    keys = [_key(f"{number:04}" + "k" * 59) for number in range(1000)]
    member = _observed(managed_fields=[role_field("m" * 128)])
    assert max(map(len, _notes(_plan(member, keys)))) <= 1024


def test_what_was_recorded_is_left_alone() -> None:
    member = _observed()
    for keys in ([A, B], [A, B], [B], []):
        plan = _plan(member, keys)
        member = with_status(member, _status(plan)) if plan.actions else member
        assert _plan(member, keys).actions == ()
    assert member.status.last_role_change is not None
    assert member.status.last_role_change.key_count == 2


def test_a_membership_that_is_going_is_left_alone() -> None:
    assert _plan(_observed(deleting=True), [A]) == Plan()


def test_a_record_stays_when_no_role_changed() -> None:
    member = _observed(seen=2, was="Viewer", change=_record(A))
    status = _status(_plan(member, [_key("new", generation=2)]))
    assert status.last_role_change == member.status.last_role_change
    assert status.role is Role.VIEWER
