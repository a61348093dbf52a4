"""The quota: who has a token keeps it, and of those that wait the oldest goes first."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.objects.builders import CREATED, NOW, api_key, condition, edited, issued, membership, organization, shown
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.resources import ApiKey

MEMBER = membership()
QUOTA = ["EmitEvent QuotaExceeded", "UpdateStatus QuotaExceeded"]


def _new(name: str, age: int = 0, *, reason: str | None = None, deleting: bool = False) -> ApiKey:
    """A key that was never issued; the greater its age, the older."""
    status = {"observedGeneration": 1, "conditions": [condition("Ready", reason, holds=False)]} if reason else None
    return api_key(name, created=CREATED - timedelta(minutes=age), status=status, deleting=deleting)


def _live(name: str, age: int = 0) -> ApiKey:
    return issued(_new(name, age), MEMBER, organization())


def _tombstone(name: str, age: int = 0) -> ApiKey:
    return issued(_new(name, age), MEMBER, organization(), membership_generation=0, secret_uid=None)


def _ended(name: str, age: int = 0, *, ttl: str | None = None) -> ApiKey:
    """A key that lost its Secret, and gets another one under the same tenure."""
    key = api_key(name, created=CREATED - timedelta(minutes=age), ttl=ttl)
    return issued(key, MEMBER, organization(), secret_uid=None)


def _plan(key: ApiKey, siblings: Sequence[ApiKey], limit: int | None) -> list[str]:
    org = organization(keys={"maxPerMember": limit})
    seen = ApiKeyObservation(api_key=key, membership=MEMBER, organization=org, siblings=siblings, now=NOW)
    return shown(plan_api_key(seen))


@pytest.mark.parametrize(
    ("key", "others", "limit", "actions"),
    [
        pytest.param(_new("a"), [], 1, ["IssueToken"], id="alone"),
        pytest.param(_new("a"), [_live("b"), _live("c")], None, ["IssueToken"], id="no limit"),
        pytest.param(_new("a"), [_live("b")], 2, ["IssueToken"], id="below the limit"),
        pytest.param(_new("a"), [_live("b"), _live("c")], 2, QUOTA, id="at the limit"),
        pytest.param(_new("a", 9), [_live("b"), _live("c")], 2, QUOTA, id="older than those with a token"),
        pytest.param(_new("a", 1), [_new("b")], 1, ["IssueToken"], id="older than one that waits"),
        pytest.param(_new("a"), [_new("b", 1)], 1, QUOTA, id="newer than one that waits"),
        pytest.param(_new("a"), [_new("b")], 1, ["IssueToken"], id="as old, first by name"),
        pytest.param(_new("b"), [_new("a")], 1, QUOTA, id="as old, second by name"),
        pytest.param(
            _new("a"), [_new("b", 1, reason="QuotaExceeded")], 1, QUOTA, id="newer than one that waits for the quota"
        ),
        pytest.param(_new("a"), [edited(_new("b", 1), forRole="Viewer")], 1, ["IssueToken"], id="older one mismatched"),
        pytest.param(
            _new("a"),
            [edited(_new("b", 1), expiresAt="2020-01-01T00:00:00Z")],
            1,
            ["IssueToken"],
            id="older one expired",
        ),
        pytest.param(_new("a"), [_new("b", 1, reason="SecretConflict")], 1, ["IssueToken"], id="older one in conflict"),
        pytest.param(
            _new("a"),
            [api_key("b", for_role="Owner", created=CREATED - timedelta(minutes=1))],
            1,
            ["IssueToken"],
            id="older one for another role, not judged yet",
        ),
        pytest.param(_new("a"), [_new("b", 1, deleting=True)], 1, ["IssueToken"], id="older one going"),
        pytest.param(
            _new("a"),
            [issued(_new("b", 1, deleting=True), MEMBER, organization())],
            1,
            ["IssueToken"],
            id="one with a token going",
        ),
        pytest.param(_new("a"), [_ended("b", 1)], 1, QUOTA, id="older one whose Secret is gone"),
        pytest.param(
            _new("a"), [_ended("b", 1, ttl="9999h")], 1, QUOTA, id="older one whose Secret is gone, with a ttl"
        ),
        pytest.param(_new("a"), [_tombstone("b", 1)], 1, ["IssueToken"], id="tombstone beside it"),
        pytest.param(edited(_live("a"), revision=2), [_live("b")], 2, ["IssueToken"], id="new token at the limit"),
        pytest.param(edited(_tombstone("a", 9), revision=2), [_live("b")], 1, QUOTA, id="tombstone asked for, no room"),
    ],
)
def test_the_newest_wait(key: ApiKey, others: list[ApiKey], limit: int | None, actions: list[str]) -> None:
    assert _plan(key, [key, *others], limit) == actions


def test_a_lower_limit_ends_nobody() -> None:
    keys = [_live(name) for name in "abc"]
    assert [_plan(key, keys, 1) for key in keys] == [["UpdateStatus Issued"]] * 3


def test_a_lower_limit_lets_a_key_have_its_token_replaced() -> None:
    """Those that have a token keep it: raising the revision is no way to lose the key."""
    key = edited(_live("a"), revision=2)
    assert _plan(key, [key, _live("b"), _live("c")], 1) == ["IssueToken"]


def test_the_message_names_the_limit_and_a_way_out() -> None:
    org = organization(keys={"maxPerMember": 1})
    seen = ApiKeyObservation(
        api_key=_new("a"), membership=MEMBER, organization=org, siblings=[_new("a"), _live("b")], now=NOW
    )
    *_, action = plan_api_key(seen).actions
    message = action.status.conditions[0].message  # type: ignore[union-attr]
    assert "alice already has 1 key, " in message
    assert "maxPerMember. Delete one of them" in message


def _renewed(name: str, age: int) -> ApiKey:
    return edited(_live(name, age), revision=2)


def _approved(name: str, age: int) -> ApiKey:
    return edited(_tombstone(name, age), revision=2)


def _matched(name: str, age: int) -> ApiKey:
    """It was judged when the member had another role."""
    key = _new(name, age, reason="RoleMismatch")
    return key.model_copy(update={"spec": api_key(for_role="Member").spec})


def _allowed(name: str, age: int) -> ApiKey:
    """It was judged when the organization demanded an expiry."""
    return _new(name, age, reason="PolicyViolation")


makers = st.sampled_from([_new, _live, _tombstone, _renewed, _approved, _matched, _allowed])


@given(st.lists(st.tuples(makers, st.integers(0, 3)), min_size=1, max_size=6), st.integers(1, 4))
def test_all_keys_at_once_never_exceed_the_limit(
    drawn: list[tuple[Callable[[str, int], ApiKey], int]], limit: int
) -> None:
    keys = [make(f"key-{number}", age) for number, (make, age) in enumerate(drawn)]
    plans = {key.name: _plan(key, keys, limit) for key in keys}
    have = {key.name for key in keys if key.status.secret_uid is not None}
    get = {name for name, actions in plans.items() if "IssueToken" in actions}
    assert len(have | get) <= max(limit, len(have)), "more keys than allowed"
    assert len(have | get) >= limit or QUOTA not in plans.values(), "a key waits although there is room"


@given(st.permutations(range(6)), st.integers(1, 6))
def test_the_oldest_of_the_new_keys_are_issued(ages: list[int], limit: int) -> None:
    keys = [_new(f"key-{age}", age) for age in ages]
    issuing = {key.name for key in keys if _plan(key, keys, limit) == ["IssueToken"]}
    assert issuing == {f"key-{age}" for age in range(6 - limit, 6)}
