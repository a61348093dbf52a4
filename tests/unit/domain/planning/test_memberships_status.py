"""The rest of a Membership's status: the role in force, what it opens, and the keys that work."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import NOW, api_key, edited, issued, membership, organization, rotated, with_status
from tenure.domain.installation import Installation
from tenure.domain.planning.actions import Plan, UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.reasons import STATES, ConditionType
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.membership import MembershipStatus

MEMBER, ORG = membership(), organization()


def _status(
    member: Membership = MEMBER, org: Organization | None = ORG, keys: Sequence[ApiKey] = (), prefix: str = ""
) -> MembershipStatus:
    seen = MembershipObservation(
        membership=member, organization=org, keys=keys, now=NOW, installation=Installation(username_prefix=prefix)
    )
    action = plan_membership(seen).actions[-1]
    assert isinstance(action, UpdateStatus)
    assert isinstance(action.status, MembershipStatus)
    return action.status


def _live(name: str, **spec: Any) -> ApiKey:
    return issued(api_key(name, **spec), MEMBER, ORG)


def test_a_first_status_says_all() -> None:
    status = _status(membership(role="Analyst", generation=3), keys=[issued(api_key(access="View"), MEMBER, ORG)])
    body = status.model_dump(by_alias=True, mode="json", exclude_none=True)
    (ready,) = body.pop("conditions")
    assert ready == {
        "type": "Ready",
        "status": "True",
        "reason": "Active",
        "message": "alice@acme.io has the role Analyst.",
        "observedGeneration": 3,
        "lastTransitionTime": "2027-02-22T08:30:00Z",
    }
    del body["lastRoleChange"]
    assert body == {
        "observedGeneration": 3,
        "role": "Analyst",
        "username": "alice@acme.io",
        "capabilities": {
            "clusters": "View",
            "billing": "View",
            "costs": "Full",
            "organization": "None",
            "members": "None",
        },
        "keyCount": 0,
        "keys": [],
    }


STATUSES = {
    "in force": (MEMBER, ORG, "Active"),
    "no organization": (MEMBER, None, "OrganizationNotFound"),
    "organization going": (MEMBER, organization(deleting=True), "OrganizationNotFound"),
    "organization suspended": (MEMBER, organization(suspended=True), "Suspended"),
    "member suspended": (MEMBER, organization(suspended_members=["alice"]), "Suspended"),
    "another member suspended": (MEMBER, organization(suspended_members=["bob"]), "Active"),
}


@pytest.mark.parametrize(("member", "org", "reason"), [pytest.param(*row, id=name) for name, row in STATUSES.items()])
def test_readiness(member: Membership, org: Organization | None, reason: str) -> None:
    ready, *stalled = _status(member, org).conditions
    assert (ready.type, ready.reason, ready.status.value) == ("Ready", reason, str(reason == "Active"))
    assert [(condition.type, condition.status.value) for condition in stalled] == (
        [("Stalled", "False")] if reason == "OrganizationNotFound" else []
    )


def test_a_member_without_its_organization_is_stalled_after_a_while_and_well_once_it_comes() -> None:
    waits = MembershipObservation(with_status(MEMBER, _status(org=None)), None, [], NOW)
    wakes = plan_membership(waits).wake_at
    assert (plan_membership(waits).actions, wakes) == ((), NOW + timedelta(minutes=10))
    assert wakes is not None
    (update,) = plan_membership(replace(waits, now=wakes)).actions
    assert isinstance(update, UpdateStatus)
    assert [(one.type, one.status.value) for one in update.status.conditions] == [
        ("Ready", "False"),
        ("Stalled", "True"),
    ]
    stalled = replace(waits, membership=with_status(MEMBER, update.status), now=wakes)
    assert plan_membership(stalled) == Plan()
    (update,) = plan_membership(replace(stalled, organization=ORG)).actions
    assert isinstance(update, UpdateStatus)
    assert [(one.type, one.status.value) for one in update.status.conditions] == [("Ready", "True")]


def test_only_the_oldest_membership_of_a_subject_has_effect() -> None:
    seen = MembershipObservation(membership=MEMBER, organization=ORG, keys=[], now=NOW, displaced_by="old-alice")
    *_, action = plan_membership(seen).actions
    assert isinstance(action, UpdateStatus)
    assert [(condition.type, condition.reason) for condition in action.status.conditions] == [
        ("Ready", "DuplicateSubject"),
        ("Stalled", "DuplicateSubject"),
    ]


def test_a_key_for_another_role_is_listed_as_waiting() -> None:
    waits = issued(api_key("next", for_role="Viewer"), MEMBER, ORG, secret_uid=None)
    approved = issued(api_key("works", for_role="Viewer"), MEMBER, ORG)
    status = _status(keys=[waits, approved, _live("a")])
    assert [(key.name, key.for_role) for key in status.keys or ()] == [("a", None), ("works", "Viewer")]
    assert [(key.name, key.for_role) for key in status.waiting_keys or ()] == [("next", "Viewer")]


def test_every_reason_of_the_table_of_states_is_reached() -> None:
    assert {row[2] for row in STATUSES.values()} | {"DuplicateSubject"} == {
        state.reason for state in STATES if state.kind == "Membership" and state.type is ConditionType.READY
    }


@pytest.mark.parametrize(
    ("member", "prefix", "username"),
    [
        pytest.param(MEMBER, "", "alice@acme.io", id="no prefix"),
        pytest.param(MEMBER, "oidc:", "oidc:alice@acme.io", id="prefix"),
        pytest.param(membership(kind="ServiceAccount"), "oidc:", None, id="service account"),
    ],
)
def test_the_username_is_the_one_that_kubernetes_knows(member: Membership, prefix: str, username: str | None) -> None:
    assert _status(member, prefix=prefix).username == username


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        pytest.param([_live("b"), _live("a")], ["a", "b"], id="by name"),
        pytest.param([_live("a"), api_key("new")], ["a"], id="not issued"),
        pytest.param([_live("a"), _live("over", ttl="1h")], ["a"], id="expired"),
        pytest.param([_live("a"), edited(_live("b"), suspended=True)], ["a"], id="suspended"),
        pytest.param([_live("a"), edited(_live("b"), revision=2)], ["a"], id="to be issued anew"),
        pytest.param([_live("a"), issued(api_key("b"), MEMBER, ORG, secret_uid=None)], ["a"], id="ended"),
        pytest.param([_live("a"), issued(api_key("b", deleting=True), MEMBER, ORG)], ["a"], id="going"),
        pytest.param([], [], id="none"),
    ],
)
def test_only_working_keys_are_listed(keys: list[ApiKey], names: list[str]) -> None:
    status = _status(keys=keys)
    assert status.keys is not None
    assert [key.name for key in status.keys] == names
    assert status.key_count == len(names)


def test_no_key_works_without_the_organization() -> None:
    assert _status(org=None, keys=[_live("a")]).key_count == 0
    assert _status(org=organization(uid="another"), keys=[_live("a")]).key_count == 0
    assert _status(org=organization(suspended=True), keys=[_live("a")]).key_count == 0


def test_at_most_fifty_keys_are_listed_and_all_are_counted() -> None:
    status = _status(keys=[_live(f"key-{number:03}") for number in reversed(range(60))])
    assert status.keys is not None
    assert [key.name for key in status.keys] == [f"key-{number:03}" for number in range(50)]
    assert status.key_count == 60


def test_a_listed_key_shows_its_public_id_access_description_and_limits() -> None:
    key = _live("a", access="View", description="infra/deploy", capabilities=["costs", "clusters"])
    status = _status(keys=[key])
    assert status.keys is not None
    assert status.keys[0].model_dump(by_alias=True, mode="json") == {
        "name": "a",
        "keyId": key.status.key_id,
        "access": "View",
        "issuedAt": "2027-01-04T09:01:00Z",
        "expiresAt": None,
        "forRole": None,
        "handedOverTo": None,
        "former": None,
        "description": "infra/deploy",
        "capabilities": ["clusters", "costs"],
    }


def test_a_former_token_is_listed_among_the_keys_of_its_own_member() -> None:
    """`a` was handed over to the service account, and alice's token still works."""
    ci = membership("ci", kind="ServiceAccount")
    key = rotated(_live("a"), former="F" * 12, replaced_at=NOW)
    assert key.status.issued is not None
    stamp = key.status.issued.model_copy(update={"membership": "ci", "membership_uid": ci.metadata.uid})
    key = edited(with_status(key, key.status.model_copy(update={"issued": stamp})), membership="ci", forRole="Member")
    before, after = _status(keys=[key]).keys, _status(keys=[key], member=ci).keys
    assert before is not None
    assert after is not None
    assert [(one.key_id, one.handed_over_to, one.former, one.for_role) for one in before] == [
        ("F" * 12, "ci", None, None)
    ]
    assert before[0].expires_at == NOW + timedelta(hours=1)
    assert [(one.key_id, one.handed_over_to, one.former, one.for_role) for one in after] == [
        (key.status.key_id, None, None, "Member")
    ]


def test_a_key_that_waits_for_its_hand_over_is_still_its_present_members() -> None:
    key = edited(_live("a"), membership="ci", forRole="Viewer")
    status = _status(keys=[key])
    assert [one.name for one in status.keys or ()] == ["a"]
    assert status.waiting_keys is None
    assert _status(keys=[key], member=membership("ci", kind="ServiceAccount")).key_count == 0


def test_a_listed_key_shows_its_former_token_while_that_is_valid() -> None:
    key = rotated(_live("a"), former="F" * 12, ends_at=NOW + timedelta(hours=1))
    listed = _status(keys=[key]).keys
    assert listed is not None
    assert listed[0].former is not None
    assert (listed[0].former.key_id, listed[0].former.ends_at) == ("F" * 12, NOW + timedelta(hours=1))
    assert listed[0].all_key_ids == f"{key.status.key_id} and {'F' * 12}"


def test_a_listed_key_shows_its_end_and_the_role_that_it_is_approved_for() -> None:
    key = _live("a", for_role="Member")
    expires = with_status(key, key.status.model_copy(update={"expires_at": NOW + timedelta(hours=1)}))
    listed = _status(keys=[expires]).keys
    assert listed is not None
    assert (listed[0].expires_at, listed[0].for_role) == (NOW + timedelta(hours=1), "Member")


def test_a_message_names_what_is_missing_or_in_the_way() -> None:
    assert "Waiting for Organization acme" in _status(org=None).conditions[0].message
    seen = MembershipObservation(membership=MEMBER, organization=ORG, keys=[], now=NOW, displaced_by="old-alice")
    *_, action = plan_membership(seen).actions
    assert isinstance(action, UpdateStatus)
    assert (
        "alice@acme.io is already a member, with the older Membership old-alice" in action.status.conditions[0].message
    )


def test_a_settled_membership_is_left_alone() -> None:
    keys = [_live("a"), api_key("new")]
    member = with_status(MEMBER, _status(keys=keys))
    assert plan_membership(MembershipObservation(member, ORG, keys, NOW)).actions == ()
