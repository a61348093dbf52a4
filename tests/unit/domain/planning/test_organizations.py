"""The plan for an Organization: who is in force, who owns it, and what it counts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from support.objects.builders import (
    CREATED,
    ISSUED,
    NOW,
    api_key,
    condition,
    edited,
    issued,
    membership,
    organization,
    with_status,
)
from tenure.domain.access.bindings import BindingState
from tenure.domain.conditions import find_condition
from tenure.domain.in_force import oldest
from tenure.domain.installation import DEFAULTS, Installation, KubernetesAccess
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.organizations import OrganizationObservation, plan_organization
from tenure.domain.reasons import STATES, ConditionType, Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.organization import OrganizationStatus

ORG = organization()
OLDER = organization("older", created=CREATED - timedelta(seconds=1))
OWNER = membership("olga", role="Owner")
MEMBER = membership()
OWNED = condition("HasOwner", "Owned", holds=True)
LOST = condition("HasOwner", "NoOwner", holds=False)
AWAITING = condition("HasOwner", "AwaitingFirstOwner", holds=False)


def _seen(
    org: Organization = ORG,
    members: Sequence[Membership] = (),
    keys: Sequence[tuple[ApiKey, Membership | None]] = (),
    in_force: Organization | None = None,
) -> OrganizationObservation:
    return OrganizationObservation(organization=org, in_force=in_force or org, members=members, keys=keys, now=NOW)


def _status(observation: OrganizationObservation) -> OrganizationStatus:
    *_, action = plan_organization(observation).actions
    assert isinstance(action, UpdateStatus)
    assert isinstance(action.status, OrganizationStatus)
    return action.status


def _was(*conditions: Mapping[str, Any]) -> Organization:
    return organization(status={"observedGeneration": 1, "conditions": list(conditions)})


SUSPENDED = organization(suspended=True, status={"observedGeneration": 1, "conditions": [OWNED]})

TABLE = {
    "never owned": (_seen(), "Active", "AwaitingFirstOwner"),
    "awaiting": (_seen(_was(AWAITING)), "Active", "AwaitingFirstOwner"),
    "members, never an owner": (_seen(members=[MEMBER]), "Active", "AwaitingFirstOwner"),
    "owned": (_seen(members=[OWNER]), "Active", "Owned"),
    "first owner": (_seen(_was(AWAITING), [OWNER]), "Active", "Owned"),
    "lost its last owner": (_seen(_was(OWNED), [MEMBER]), "NoOwner", "NoOwner"),
    "lost it before": (_seen(_was(LOST)), "NoOwner", "NoOwner"),
    "owned again": (_seen(_was(LOST), [OWNER]), "Active", "Owned"),
    "suspended": (_seen(organization(suspended=True), [OWNER]), "Suspended", "Owned"),
    "suspended, lost its last owner": (_seen(SUSPENDED), "Suspended", "NoOwner"),
    "a younger one": (_seen(in_force=OLDER), "NamespaceTaken", None),
    "a younger one, suspended": (_seen(SUSPENDED, in_force=OLDER), "NamespaceTaken", None),
}

BINDING_REASONS = (
    Reason.BOUND,
    Reason.BINDING_CONFLICT,
    Reason.BINDING_FORBIDDEN,
    Reason.CLUSTER_ROLE_MISSING,
)
GIVING = Installation(kubernetes_access=KubernetesAccess.ROLES)

every_row = pytest.mark.parametrize(
    ("observation", "ready", "owner"), [pytest.param(*row, id=name) for name, row in TABLE.items()]
)


@every_row
def test_readiness_and_ownership(observation: OrganizationObservation, ready: str, owner: str | None) -> None:
    conditions = _status(observation).conditions
    found = {each.type: (each.reason, each.status.value) for each in conditions}
    assert found["Ready"] == (ready, str(ready == "Active"))
    assert found.get("HasOwner") == (None if owner is None else (owner, str(owner == "Owned")))
    assert ("Stalled" in found) == (ready == "NamespaceTaken")
    assert {each.observed_generation for each in conditions} == {1}


@every_row
def test_a_settled_organization_is_left_alone(
    observation: OrganizationObservation, ready: str, owner: str | None
) -> None:
    settled = with_status(observation.organization, _status(observation))
    again = replace(observation, organization=settled, now=NOW + timedelta(hours=1))
    assert plan_organization(again).actions == (), (ready, owner)


@pytest.mark.parametrize("in_force", [None, OLDER], ids=["in force", "a younger one"])
def test_what_was_looked_at_is_said(in_force: Organization | None) -> None:
    observation = _seen(organization(generation=7), in_force=in_force)
    given = replace(observation, installation=GIVING, bindings=BindingState())
    status = _status(given)
    assert status.observed_generation == 7
    assert {each.observed_generation for each in status.conditions} == {7}
    assert (find_condition(status.conditions, ConditionType.ROLES_BOUND) is None) == (in_force is not None)


def test_every_reason_of_the_table_of_states_is_reached() -> None:
    states = {(state.type.value, state.reason.value) for state in STATES if state.kind == "Organization"}
    reached = {("Ready", row[1]) for row in TABLE.values()} | {("HasOwner", row[2]) for row in TABLE.values() if row[2]}
    reached |= {("RolesBound", reason.value) for reason in BINDING_REASONS}
    assert reached | {("MailAvailable", reason) for reason in ("Running", "NoMailProcess")} == states


@pytest.mark.parametrize("reason", BINDING_REASONS)
def test_the_condition_on_access_says_what_is_known(reason: Reason) -> None:
    bound = replace(_seen(), installation=GIVING, bindings=BindingState(reason, "why"))
    found = find_condition(_status(bound).conditions, ConditionType.ROLES_BOUND)
    assert found is not None
    assert (found.reason, found.message, found.status.value) == (reason, "why", str(reason is Reason.BOUND))


def test_what_is_not_known_yet_stays_as_it_was_and_what_is_not_given_is_not_spoken_of() -> None:
    bound = replace(_seen(), installation=GIVING, bindings=BindingState())
    before = _status(bound)
    unknown = replace(bound, organization=with_status(bound.organization, before), bindings=None)
    assert plan_organization(unknown).actions == ()
    assert (
        find_condition(_status(replace(unknown, installation=DEFAULTS)).conditions, ConditionType.ROLES_BOUND) is None
    )
    assert find_condition(_status(replace(_seen(), installation=GIVING)).conditions, ConditionType.ROLES_BOUND) is None


def test_one_that_lost_its_last_owner_never_awaits_its_first_again() -> None:
    org = ORG
    for members, reason in (((), "AwaitingFirstOwner"), ([OWNER], "Owned"), ((), "NoOwner"), ((), "NoOwner")):
        plan = plan_organization(_seen(org, members))
        org = with_status(org, plan.actions[-1].status) if plan.actions else org  # type: ignore[union-attr]
        has_owner = find_condition(org.status.conditions, ConditionType.HAS_OWNER)
        assert has_owner is not None
        assert has_owner.reason == reason


def test_the_transition_time_of_ownership_is_kept() -> None:
    status = _status(_seen(_was(OWNED), [OWNER]))
    has_owner = find_condition(status.conditions, ConditionType.HAS_OWNER)
    assert has_owner is not None
    assert has_owner.last_transition_time == ISSUED


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(["b", "a"], "Owned by a, b.", id="two"),
        pytest.param(["d", "c", "b"], "Owned by b, c, d.", id="three"),
        pytest.param(["d", "c", "b", "a"], "Owned by a, b, c and others.", id="four"),
    ],
)
def test_owners_are_named(names: list[str], message: str) -> None:
    status = _status(_seen(members=[membership(name, role="Owner") for name in names]))
    assert status.owners == sorted(names)
    has_owner = find_condition(status.conditions, ConditionType.HAS_OWNER)
    assert has_owner is not None
    assert has_owner.message == message


def test_at_most_fifty_owners_are_listed_and_all_are_counted() -> None:
    owners = [membership(f"m{number:02}", role="Owner") for number in reversed(range(60))]
    status = _status(_seen(members=owners))
    assert status.owners == [f"m{number:02}" for number in range(50)]
    assert status.members is not None
    assert status.members.owner == 60


def test_members_are_counted_by_role() -> None:
    roles = ["Owner", "Member", "Member", "Analyst", "Analyst", "Analyst", "Viewer"]
    members = [membership(f"m{number}", role=role) for number, role in enumerate(roles)]
    counts = _status(_seen(members=members)).members
    assert counts is not None
    assert counts.model_dump() == {"owner": 1, "member": 2, "analyst": 3, "viewer": 1, "total": 7}


def _live(name: str, **spec: Any) -> ApiKey:
    return issued(api_key(name, **spec), MEMBER, ORG)


def test_keys_are_counted_by_what_they_can_do() -> None:
    keys: list[tuple[ApiKey, Membership | None]] = [
        (_live("valid"), MEMBER),
        (_live("also-valid"), MEMBER),
        (edited(_live("suspended"), suspended=True), MEMBER),
        (api_key("new"), MEMBER),
        (api_key("waits"), None),
        (edited(_live("renewed"), revision=2), MEMBER),
        (issued(api_key("behind"), MEMBER, ORG, membership_generation=2), MEMBER),
        (_live("expired", ttl="1h"), MEMBER),
        (_live("fallen"), membership(role="Viewer", generation=2)),
        (_live("orphan"), None),
        (edited(_live("mismatch", for_role="Owner"), revision=2), MEMBER),
        (issued(api_key("going", deleting=True), MEMBER, ORG), MEMBER),
    ]
    counts = _status(_seen(keys=keys)).keys
    assert counts is not None
    assert counts.model_dump() == {"valid": 2, "suspended": 1, "waiting": 4, "ended": 5}


def test_a_suspended_organization_has_no_valid_key() -> None:
    counts = _status(_seen(organization(suspended=True), keys=[(_live("a"), MEMBER)])).keys
    assert counts is not None
    assert counts.model_dump() == {"valid": 0, "suspended": 1, "waiting": 0, "ended": 0}


def test_the_policy_in_force_shows_the_defaults() -> None:
    policy = _status(_seen()).policy
    assert policy is not None
    assert policy.model_dump(by_alias=True, mode="json", exclude_none=True) == {
        "whenKeysExist": "Warn",
        "onRoleChange": "Auto",
        "maxPerMember": 100,
        "requireExpiry": False,
        "defaultOverlap": "1h",
        "maxOverlap": "168h",
    }


def test_the_policy_in_force_shows_what_is_set() -> None:
    keys = {"onRoleChange": "Revoke", "maxPerMember": 20, "requireExpiry": True, "maxTTL": "8760h"}
    keys |= {"defaultOverlap": "2h", "maxOverlap": "24h", "rotateWithin": "720h"}
    org = organization(keys=keys, role_changes={"whenKeysExist": "Deny"})
    policy = _status(_seen(org)).policy
    assert policy is not None
    assert policy.model_dump(by_alias=True, mode="json") == {**keys, "whenKeysExist": "Deny"}


def test_a_younger_organization_says_who_is_in_force_and_counts_nothing() -> None:
    status = _status(_seen(members=[OWNER], in_force=OLDER))
    assert "The older Organization older" in status.conditions[0].message
    assert (status.members, status.keys, status.owners, status.policy) == (None, None, None, None)


def test_one_that_is_going_is_left_alone() -> None:
    assert plan_organization(_seen(organization(deleting=True))).actions == ()


def test_the_oldest_is_in_force_and_of_two_as_old_the_first_by_uid() -> None:
    first, second, third = OLDER, organization("z", uid="a"), organization("a", uid="b")
    for order in permutations([first, second, third]):
        assert oldest(order) == first
    assert oldest([third, second]) == second
    assert oldest([]) is None
