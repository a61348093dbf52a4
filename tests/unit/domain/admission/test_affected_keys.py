"""The price of a role change or a removal: what ends, goes on, stays and starts, by keys and by status."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import (
    NOW,
    api_key,
    condition,
    edited,
    issued,
    membership,
    organization,
    rotated,
    with_status,
)
from support.objects.handed_over import handed_over
from tenure.domain.admission.affected_keys import Price, price, recorded_price, tells_price
from tenure.domain.admission.messages import describe_key
from tenure.domain.installation import Installation, Limits
from tenure.domain.listing import listed_key
from tenure.domain.planning import obstacles
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.roles import Role

ACME = organization()
ALICE, ROBOT = membership(), membership("ci", kind="ServiceAccount")


def working(name: str, member: Membership = ALICE, **spec: str) -> ApiKey:
    """A key that works."""
    return issued(api_key(name, membership=member.name, for_role=spec.get("for_role")), member, ACME)


def waiting(name: str, for_role: str, member: Membership = ALICE) -> ApiKey:
    """A key that was never issued, for another role than the member has."""
    return api_key(name, membership=member.name, for_role=for_role)


def shown(cost: Price) -> dict[str, list[str]]:
    """The names in each group that isn't empty."""
    groups = {
        "ends": [key.name for key in cost.revoked],
        "goes on": [key.name for key in cost.reissued],
        "stays": [key.name for key in cost.kept],
        "starts": list(cost.issued),
    }
    return {title: names for title, names in groups.items() if names}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.MEMBER])
def test_a_persons_working_keys_end_with_any_role_change(role: Role) -> None:
    keys = [working("b"), working("a"), waiting("later", "Viewer")]
    cost = price(ALICE, role, keys, ACME, NOW)
    assert shown(cost)["ends"] == ["a", "b"]
    assert cost.dying == ("a", "b")
    assert cost.issued == (("later",) if role is Role.VIEWER else ())


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_a_key_with_a_former_token_is_one_key_and_both_of_its_tokens_are_told(role: Role | None) -> None:
    """An acknowledgement names keys, and `all 1` counts keys."""
    cost = price(ALICE, role, [rotated(working("a"), former="F" * 12, former_used_at=NOW)], ACME, NOW)
    assert (cost.dying, cost.unlisted) == (("a",), 0)
    (listed,) = cost.revoked
    told = describe_key(listed, NOW, cost.uses["a"])
    assert f"former token {'F' * 12} valid for 1 h, former token last seen in use at 2027-02-22T08:30:00Z" in told


def test_the_price_says_when_keys_were_last_used_if_that_is_known() -> None:
    used = with_status(working("a"), working("a").status.model_copy(update={"last_used": NOW.date()}))
    known = organization(status={"usageSince": "2027-02-01T00:00:00Z", "usageUntil": str(NOW.date())})
    keys = [used, working("b"), waiting("later", "Viewer")]
    for role in (Role.VIEWER, None):
        assert price(ALICE, role, keys, known, NOW).uses == {"a": "used today", "b": "not used since 2027-02-01"}
    assert price(ALICE, Role.VIEWER, keys, ACME, NOW).uses == {"a": "used today"}


def test_nothing_ends_where_the_role_stays() -> None:
    assert shown(price(ALICE, Role.MEMBER, [working("a")], ACME, NOW)) == {"stays": ["a"]}


def test_a_removal_ends_every_working_key_and_starts_none() -> None:
    keys = [working("a"), working("approved", for_role="Member"), waiting("later", "Viewer")]
    assert shown(price(ALICE, None, keys, ACME, NOW)) == {"ends": ["a", "approved"]}


@pytest.mark.parametrize(
    ("key", "is_named"),
    [
        pytest.param(working("a"), True, id="works"),
        pytest.param(edited(working("a"), suspended=True), True, id="suspended"),
        pytest.param(api_key("a"), False, id="never issued"),
        pytest.param(
            issued(api_key("a"), ALICE, ACME, membership_generation=0), False, id="ended with an earlier role"
        ),
        pytest.param(issued(api_key("a"), ALICE, ACME, membership_uid="other"), False, id="of an earlier Membership"),
        pytest.param(issued(api_key("a", deleting=True), ALICE, ACME), False, id="being deleted"),
        pytest.param(issued(api_key("a", ttl="1h"), ALICE, ACME), False, id="expired"),
        pytest.param(edited(working("a"), revision=2), False, id="asked to be replaced"),
        pytest.param(edited(working("a"), forRole="Viewer"), True, id="approved for the new role"),
        pytest.param(edited(working("a"), forRole="Owner"), True, id="approved for another role"),
    ],
)
def test_only_keys_that_work_or_are_suspended_are_named(key: ApiKey, is_named: bool) -> None:  # noqa: FBT001
    assert price(ALICE, Role.VIEWER, [key], ACME, NOW).dying == (("a",) if is_named else ())
    assert price(ALICE, None, [key], ACME, NOW).dying == (("a",) if is_named else ())


def test_a_key_that_the_same_change_approves_goes_on_and_is_named_all_the_same() -> None:
    keys = [working("a"), working("b")]
    cost = price(ALICE, Role.VIEWER, keys, ACME, NOW, changed={"a": edited(keys[0], forRole="Viewer")})
    assert shown(cost) == {"ends": ["b"], "goes on": ["a"]}
    assert cost.dying == ("a", "b")


def test_a_key_that_was_approved_before_needs_no_acknowledgement() -> None:
    approved, other = edited(working("a"), forRole="Viewer"), edited(working("b"), forRole="Analyst")
    same_change = edited(working("c"), forRole="Viewer")
    cost = price(ALICE, Role.VIEWER, [approved, other, working("c")], ACME, NOW, changed={"c": same_change})
    assert shown(cost) == {"ends": ["b"], "goes on": ["a", "c"]}
    assert cost.dying == ("a", "b", "c")
    assert cost.unapproved(Role.VIEWER) == ("b", "c")


def test_a_key_that_the_same_change_removes_ends() -> None:
    assert shown(price(ALICE, Role.VIEWER, [working("a")], ACME, NOW, changed={"a": None})) == {"ends": ["a"]}


def test_a_key_that_may_not_be_issued_again_does_not_go_on() -> None:
    strict = Installation(limits=Limits(require_expiry=True))
    key = working("a")
    changed = {"a": edited(key, forRole="Viewer")}
    assert shown(price(ALICE, Role.VIEWER, [key], ACME, NOW, changed=changed, installation=strict)) == {"ends": ["a"]}


def test_a_service_accounts_keys_stay_unless_they_were_approved_for_the_old_role() -> None:
    keys = [working("a", ROBOT), working("approved", ROBOT, for_role="Member"), waiting("later", "Viewer", ROBOT)]
    cost = price(ROBOT, Role.VIEWER, keys, ACME, NOW)
    assert shown(cost) == {"ends": ["approved"], "stays": ["a"], "starts": ["later"]}


def handed(name: str, to: Membership = ROBOT, by: Membership = ALICE, **spec: str) -> ApiKey:
    """A key whose former token is still valid."""
    return handed_over(working(name, by, **spec), to)


def test_the_former_token_of_a_key_that_was_handed_over_is_in_the_price() -> None:
    keys = [working("a"), handed("b")]
    for role in (Role.VIEWER, None):
        cost = price(ALICE, role, keys, ACME, NOW)
        assert cost.dying == ("a", "b")
        assert [(key.name, key.key_id, key.handed_over_to) for key in cost.revoked] == [
            ("a", keys[0].status.key_id, None),
            ("b", working("b").status.key_id, "ci"),
        ]


def test_for_role_of_the_next_holder_saves_no_token_of_the_former_one() -> None:
    approved = edited(handed("a"), forRole="Viewer")
    cost = price(ALICE, Role.VIEWER, [approved], ACME, NOW)
    assert (shown(cost), cost.unapproved(Role.VIEWER)) == ({"ends": ["a"]}, ("a",))


@pytest.mark.parametrize(
    ("key", "member", "ended"),
    [
        pytest.param(handed("a"), ROBOT, (), id="a service account's role changes"),
        pytest.param(handed_over(working("a"), membership("bob")), membership("bob"), ("a",), id="the next holder's"),
        pytest.param(handed_over(working("a"), membership("bob")), ALICE, ("a",), id="the former holder's"),
        pytest.param(handed_over(working("a"), ROBOT, replaced_at=NOW - timedelta(hours=2)), ALICE, (), id="ended"),
        pytest.param(edited(handed("a"), revision=2), ALICE, (), id="revoked"),
        pytest.param(edited(handed("a"), suspended=True), ALICE, ("a",), id="suspended"),
        pytest.param(edited(working("a"), membership="ci"), ALICE, ("a",), id="not replaced yet"),
        pytest.param(edited(working("a"), membership="ci"), ROBOT, (), id="not replaced yet, for the next holder"),
        pytest.param(edited(rotated(working("a"), announced="N"), membership="ci"), ALICE, ("a",), id="in a rotation"),
        pytest.param(handed("a"), membership("alice", uid="other"), (), id="of the same name as the former holder"),
    ],
)
def test_each_token_belongs_to_the_price_of_its_own_member(
    key: ApiKey, member: Membership, ended: tuple[str, ...]
) -> None:
    assert price(member, Role.VIEWER, [key], ACME, NOW).dying == ended


def test_an_announced_token_of_the_member_is_in_the_price() -> None:
    """The key is being handed over to bob, whose token may be in the Secret already."""
    bob = membership("bob")
    key = edited(rotated(working("a"), announced="NEXT"), membership="bob")
    assert key.status.next is not None
    stamp = key.status.next.issued.model_copy(update={"membership": "bob", "membership_uid": bob.metadata.uid})
    successor = key.status.next.model_copy(update={"issued": stamp})
    key = with_status(key, key.status.model_copy(update={"next": successor}))
    assert [one.key_id for one in price(bob, Role.VIEWER, [key], ACME, NOW).revoked] == ["NEXT"]


def test_a_former_token_of_a_service_account_ends_with_its_member_only() -> None:
    key = handed("a", membership("ci2", kind="ServiceAccount"), ROBOT)
    assert shown(price(ROBOT, Role.VIEWER, [key], ACME, NOW)) == {"stays": ["a"]}
    assert shown(price(ROBOT, None, [key], ACME, NOW)) == {"ends": ["a"]}
    noted = handed("a", membership("ci2", kind="ServiceAccount"), ROBOT, for_role="Member")
    assert shown(price(ROBOT, Role.VIEWER, [edited(noted, forRole=None)], ACME, NOW)) == {"ends": ["a"]}


def test_a_key_that_the_same_change_hands_over_loses_its_token() -> None:
    changed = {"a": edited(working("a"), membership="ci", forRole="Viewer")}
    cost = price(ALICE, Role.VIEWER, [working("a")], ACME, NOW, changed=changed)
    assert (shown(cost), cost.unapproved(Role.VIEWER)) == ({"ends": ["a"]}, ("a",))


def test_a_key_that_the_same_change_hands_to_the_member_does_not_count() -> None:
    changed = {"a": edited(working("a", ROBOT), membership="alice")}
    assert shown(price(ROBOT, Role.VIEWER, [working("a", ROBOT)], ACME, NOW, changed=changed)) == {"stays": ["a"]}


def test_the_price_says_of_a_handed_over_key_only_what_its_former_token_was_used_for() -> None:
    """The key's own day is the new token's, and that nobody used it isn't known."""
    known = organization(status={"usageSince": "2027-02-01T00:00:00Z", "usageUntil": str(NOW.date())})
    key = handed("a")
    assert price(ALICE, None, [key], known, NOW).uses == {}
    used = with_status(key, key.status.model_copy(update={"last_used": NOW.date()}))
    assert price(ALICE, None, [used], known, NOW).uses == {}
    assert used.status.previous is not None
    former = used.status.previous.model_copy(update={"last_used_at": NOW - timedelta(minutes=3)})
    seen = with_status(used, used.status.model_copy(update={"previous": former}))
    assert price(ALICE, None, [seen], known, NOW).uses == {"a": "former token last seen in use at 2027-02-22T08:27:00Z"}


def test_the_price_says_that_a_hand_over_has_not_replaced_the_token_yet() -> None:
    key = edited(working("a"), membership="ci")
    assert price(ALICE, None, [key], ACME, NOW).uses == {"a": "not replaced yet"}
    for reason, told in (("SecretExposed", " (SecretExposed)"), ("HandOverPending", " (HandOverPending)")):
        hindered = type(key.status.conditions[0]).model_validate(condition("Rotating", reason, holds=False))
        status = key.status.model_copy(update={"conditions": [*key.status.conditions, hindered]})
        assert price(ALICE, None, [with_status(key, status)], ACME, NOW).uses == {"a": f"not replaced yet{told}"}


def recorded(member: Membership, keys: list[ApiKey]) -> Membership:
    """The member with the status that the operator writes."""
    plan = plan_membership(MembershipObservation(membership=member, organization=ACME, keys=keys, now=NOW))
    (update,) = [action for action in plan.actions if isinstance(action, UpdateStatus)]
    return with_status(member, update.status)


CASES: dict[str, tuple[Membership, Callable[[Membership], list[ApiKey]]]] = {
    "person": (ALICE, lambda member: [working("a", member), working("b", member), waiting("later", "Viewer", member)]),
    "person, approved": (ALICE, lambda member: [working("a", member, for_role="Viewer"), working("b", member)]),
    "service account, approved": (
        ROBOT,
        lambda member: [working("a", member, for_role="Viewer"), working("b", member)],
    ),
    "person without keys": (ALICE, lambda _: []),
    "person, handed over": (ALICE, lambda member: [working("a", member), handed("b", by=member)]),
    "person, handed over and approved": (
        ALICE,
        lambda member: [edited(handed("b", by=member), forRole="Viewer")],
    ),
    "next holder": (ROBOT, lambda member: [working("a", member), handed("b", member)]),
    "service account": (
        ROBOT,
        lambda member: [working("a", member), working("b", member, for_role="Member"), waiting("c", "Viewer", member)],
    ),
}


@pytest.mark.parametrize("role", [Role.OWNER, Role.ANALYST, Role.VIEWER, None], ids=str)
@pytest.mark.parametrize(("member", "keys"), CASES.values(), ids=list(CASES))
def test_the_status_tells_the_same_price(
    member: Membership, keys: Callable[[Membership], list[ApiKey]], role: Role | None
) -> None:
    given = recorded(member, keys(member))
    assert tells_price(given, role)
    assert recorded_price(given, role) == price(member, role, keys(member), ACME, NOW)


def test_a_person_with_more_keys_than_are_listed_loses_them_all() -> None:
    keys = [working(f"key-{number:02}") for number in range(60)]
    given = recorded(ALICE, keys)
    cost = recorded_price(given, Role.VIEWER)
    assert tells_price(given, Role.VIEWER)
    assert (len(cost.revoked), cost.unlisted) == (50, 10)


def test_a_service_account_with_more_keys_than_are_listed_is_looked_at() -> None:
    given = recorded(ROBOT, [working(f"key-{number:02}", ROBOT) for number in range(60)])
    assert not tells_price(given, Role.VIEWER)
    assert tells_price(given, None)


def test_listed_keys_carry_id_age_and_expiry() -> None:
    key = issued(api_key("a", ttl="2160h"), ALICE, ACME)
    listed = listed_key(key)
    assert (listed.name, listed.key_id) == ("a", key.status.key_id)
    assert listed.issued_at is not None
    assert NOW - listed.issued_at > timedelta(days=40)


def test_the_limit_of_keys_is_counted_once_for_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Counter[str]()

    def counted(key: ApiKey, *_: Any) -> bool:
        calls[key.name] += 1
        return True

    monkeypatch.setattr(obstacles, "_wants_slot", counted)
    keys = [waiting(f"k{number:03}", "Viewer") for number in range(300)]
    cost = price(ALICE, Role.VIEWER, keys, ACME, NOW)
    assert cost.issued == tuple(key.name for key in keys[:100])
    assert set(calls.values()) == {1}
