"""The rotation of a key as rows: when it begins, what it does next, how long the former token stays valid."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.objects.builders import (
    ISSUED,
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
from tenure.domain.installation import DEFAULTS, Installation, Limits
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.apikeys import find_key_state, plan_api_key
from tenure.domain.planning.key_status import announced_status, issued_status, new_stamp, promotion, rejected_status
from tenure.domain.planning.observation import Announced, ApiKeyObservation, SecretReading
from tenure.domain.planning.rotation import may_hold_newer_token
from tenure.domain.planning.states import KeyState
from tenure.domain.reasons import STATES, ConditionType, Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.rotation import rotates_at, wait_until_due
from tenure.domain.secret import SecretFacts
from tenure.domain.tokens import Token
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import announced_view, former_view

ORG, MEMBER = organization(), membership()
NEXT = Token.mint(b"n" * 48)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DELIVERED = NOW.replace(microsecond=0)


def seen(
    key: ApiKey,
    *,
    facts: SecretFacts | None = None,
    announced: Announced | None = None,
    now: datetime = NOW,
    org: Organization = ORG,
    member: Membership = MEMBER,
    **rest: Any,
) -> ApiKeyObservation:
    reading = None if facts is None else SecretReading(facts)
    return ApiKeyObservation(key, member, org, [key], now, reading, announced, **rest)


def live(rotation: Mapping[str, Any] | None = None, *, at: datetime = ISSUED, member: Membership = MEMBER) -> ApiKey:
    key = issued(api_key(), member, ORG, at=at)
    return key if rotation is None else edited(key, rotation=rotation)


def announced(key: ApiKey, now: datetime = NOW) -> ApiKey:
    stamp = new_stamp(seen(key), now)
    return with_status(key, announced_status(seen(key, now=now), stamp, key_id=NEXT.key_id, token_hash=NEXT.hash))


def delivered(key: ApiKey) -> SecretFacts:
    """The Secret with the announced token."""
    return replace(secret_facts(key), token=NEXT, written=DELIVERED.isoformat())


def rotated(key: ApiKey, **changes: Any) -> ApiKey:
    """The key after its announced token was promoted at `DELIVERED`."""
    key = announced(key)
    _, update = promotion(seen(key, facts=delivered(key), **changes))
    assert isinstance(update, UpdateStatus)
    assert isinstance(update.status, ApiKeyStatus)
    return with_status(key, update.status)


ASKED = {"request": 1}
HELD = Announced(NEXT.hash, NOW)
WAITING = Announced(NEXT.hash, NOW + timedelta(seconds=1))
STEPS: dict[str, tuple[ApiKeyObservation, KeyState, list[str]]] = {
    "nothing asked": (seen(live({})), KeyState.WORKS, ["UpdateStatus Issued"]),
    "asked": (seen(live(ASKED)), KeyState.TO_ROTATE, ["AnnounceToken"]),
    "asked as soon as it was issued": (seen(live(ASKED, at=NOW)), KeyState.TO_ROTATE, ["AnnounceToken"]),
    "asked within a minute of a rotation": (
        seen(edited(rotated(live({**ASKED, "overlap": "0s"})), rotation={"request": 2}), now=NOW + MINUTE / 2),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "asked for less than was served": (
        seen(edited(rotated(live({"request": 5})), rotation={"request": 4}), now=NOW + 3 * HOUR),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "asked, suspended": (
        seen(edited(live(ASKED), suspended=True)),
        KeyState.SUSPENDED,
        ["UpdateStatus Suspended"],
    ),
    "asked, an older Membership of the subject": (
        seen(live(ASKED), displaced_by="older"),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "asked, a rule forbids it": (
        seen(live(ASKED), org=organization(keys={"rotateWithin": "720h"})),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "not due": (seen(live({"every": "9000h"})), KeyState.WORKS, ["UpdateStatus Issued"]),
    "due": (seen(live({"every": "24h"})), KeyState.TO_ROTATE, ["AnnounceToken"]),
    "announced, too early": (
        seen(announced(live(ASKED)), facts=secret_facts(live()), announced=WAITING),
        KeyState.TO_DELIVER,
        [],
    ),
    "announced": (
        seen(announced(live(ASKED)), facts=secret_facts(live()), announced=HELD),
        KeyState.TO_DELIVER,
        ["DeliverToken"],
    ),
    "announced by a process that died": (
        seen(announced(live(ASKED)), facts=secret_facts(live())),
        KeyState.TO_ROTATE,
        ["AnnounceToken"],
    ),
    "announced, another token in memory": (
        seen(announced(live(ASKED)), facts=secret_facts(live()), announced=Announced("sha256:other", NOW)),
        KeyState.TO_ROTATE,
        ["AnnounceToken"],
    ),
    "delivered by a process that died": (
        seen(announced(live(ASKED)), facts=delivered(live())),
        KeyState.TO_PROMOTE,
        ["EmitEvent Rotated", "UpdateStatus Issued"],
    ),
    "announced, then another template": (
        seen(
            edited(announced(live(ASKED)), secretTemplate={"labels": {"acme.io/team": "core"}}),
            facts=secret_facts(live()),
            announced=HELD,
            org=organization(keys={"secretMetadataPrefixes": ["acme.io/"]}),
        ),
        KeyState.TO_ROTATE,
        ["AnnounceToken"],
    ),
    "announced, Secret deleted": (
        replace(seen(announced(live(ASKED)), announced=HELD), secret=SecretReading(None)),
        KeyState.TO_REPAIR,
        ["IssueToken", "EmitEvent SecretReplaced"],
    ),
    "delivered, then edited": (
        seen(announced(live(ASKED)), facts=replace(delivered(live()), token=None)),
        KeyState.TO_REPAIR,
        ["DeleteSecret", "IssueToken", "EmitEvent SecretReplaced"],
    ),
    "rotated, Secret edited": (
        seen(rotated(live(ASKED)), facts=replace(secret_facts(live()), token=None)),
        KeyState.TO_REPAIR,
        ["DeleteSecret", "IssueToken", "EmitEvent SecretReplaced"],
    ),
    "rotated, Secret deleted": (
        replace(seen(rotated(live(ASKED))), secret=SecretReading(None)),
        KeyState.TO_REPAIR,
        ["IssueToken", "EmitEvent SecretReplaced"],
    ),
    "every made shorter than the token is old": (
        seen(edited(live({"every": "9000h"}), rotation={"every": "24h"})),
        KeyState.TO_ROTATE,
        ["AnnounceToken"],
    ),
    "every made shorter within the overlap": (
        seen(
            edited(rotated(live({**ASKED, "overlap": "50h"})), rotation={"every": "1h", "overlap": "30m"}),
            now=NOW + 2 * HOUR,
        ),
        KeyState.TO_ROTATE,
        ["AnnounceToken"],
    ),
    "announced, Secret edited": (
        seen(announced(live(ASKED)), facts=replace(secret_facts(live()), token=None), announced=HELD),
        KeyState.TO_REPAIR,
        ["DeleteSecret", "IssueToken", "EmitEvent SecretReplaced"],
    ),
    "announced, suspended": (
        seen(edited(announced(live(ASKED)), suspended=True), facts=secret_facts(live()), announced=HELD),
        KeyState.SUSPENDED,
        ["UpdateStatus Suspended"],
    ),
    "announced, revision raised": (
        seen(edited(announced(live(ASKED)), revision=2), facts=secret_facts(live()), announced=HELD),
        KeyState.TO_REISSUE,
        ["IssueToken"],
    ),
    "delivered, revision raised": (
        seen(edited(announced(live(ASKED)), revision=2), facts=delivered(live())),
        KeyState.TO_REISSUE,
        ["IssueToken"],
    ),
    "delivered, role changed": (
        seen(announced(live(ASKED)), facts=delivered(live()), member=membership(role="Viewer", generation=2)),
        KeyState.TO_RECORD,
        ["DeleteSecret"],
    ),
    "rotated": (seen(rotated(live(ASKED))), KeyState.WORKS, []),
    "rotated, the former token ended": (
        seen(rotated(live(ASKED)), now=NOW + HOUR),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "asked within the overlap": (
        seen(edited(rotated(live(ASKED)), rotation={"request": 2}), now=NOW + 2 * MINUTE),
        KeyState.WORKS,
        ["UpdateStatus Issued"],
    ),
    "asked after the overlap": (
        seen(edited(rotated(live(ASKED)), rotation={"request": 2}), now=NOW + HOUR),
        KeyState.TO_ROTATE,
        ["AnnounceToken"],
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_what_is_seen_decides_the_next_step(case: str) -> None:
    observation, state, actions = STEPS[case]
    assert find_key_state(observation) is state
    assert shown(plan_api_key(observation)) == actions


def test_every_step_that_writes_a_token_needs_a_fresh_read() -> None:
    for case in ("asked", "announced"):
        assert plan_api_key(STEPS[case][0]).needs_proof


def rotating(status: ApiKeyStatus) -> tuple[str, str] | None:
    condition = find_condition(status.conditions, ConditionType.ROTATING)
    return None if condition is None else (condition.status.value, condition.reason)


def test_the_condition_says_what_a_rotation_waits_for() -> None:
    found = [rotating(announced(live(ASKED)).status)]
    for reason in (Reason.SECRET_REJECTED, Reason.SECRET_EXPOSED):
        refused = rejected_status(seen(announced(live(ASKED))), reason, "Too large.")
        found.append(rotating(refused))
        condition = find_condition(refused.conditions, ConditionType.ROTATING)
        assert condition is not None
        assert condition.message == "Too large. The present token stays valid, and Tenure tries again."
    for case in ("asked, a rule forbids it", "asked within the overlap", "asked, an older Membership of the subject"):
        (update,) = plan_api_key(STEPS[case][0]).actions
        assert isinstance(update, UpdateStatus)
        assert isinstance(update.status, ApiKeyStatus)
        found.append(rotating(update.status))
    found.append(("False", Reason.HAND_OVER_PENDING.value))  # test_hand_over.py has its rows.
    assert set(found) == {
        (state.status.value, state.reason.value) for state in STATES if state.type is ConditionType.ROTATING
    }
    assert rotating(rotated(live(ASKED)).status) is None


def test_a_status_that_is_up_to_date_is_not_written_again() -> None:
    for case in ("asked within the overlap", "asked, a rule forbids it"):
        observation, _, _ = STEPS[case]
        (update,) = plan_api_key(observation).actions
        assert isinstance(update, UpdateStatus)
        assert isinstance(update.status, ApiKeyStatus)
        key = with_status(observation.api_key, update.status)
        later = replace(observation, api_key=key, now=observation.now + MINUTE)
        assert shown(plan_api_key(later)) == []
        assert plan_api_key(later).wake_at != later.now


def test_a_promoted_key_has_both_tokens_and_counts() -> None:
    status = rotated(live({"request": 3, "overlap": "2h"})).status
    assert (status.key_id, status.hash, status.next) == (NEXT.key_id, NEXT.hash, None)
    assert status.issued is not None
    assert (status.issued.sequence, status.issued.request) == (2, 3)
    assert status.previous is not None
    assert (status.previous.replaced_at, status.previous.ends_at) == (DELIVERED, DELIVERED + 2 * HOUR)
    assert status.secret_uid == live().status.secret_uid


@pytest.mark.parametrize(
    ("rotation", "keys", "installation", "hours"),
    [
        pytest.param({}, {}, DEFAULTS, 1, id="default"),
        pytest.param({"overlap": "24h"}, {}, DEFAULTS, 24, id="own"),
        pytest.param({}, {"defaultOverlap": "3h"}, DEFAULTS, 3, id="organization"),
        pytest.param({"overlap": "999h"}, {}, DEFAULTS, 168, id="limit"),
        pytest.param({"overlap": "24h"}, {"maxOverlap": "5h"}, DEFAULTS, 5, id="organization's limit"),
        pytest.param({"overlap": "24h"}, {}, Installation(limits=Limits(max_overlap="6h")), 6, id="installation's"),
        pytest.param({"overlap": "0s"}, {}, DEFAULTS, 0, id="none"),
        pytest.param({}, {"maxOverlap": "0s"}, DEFAULTS, 0, id="none allowed"),
    ],
)
def test_the_overlap_is_the_keys_own_within_the_limits(
    rotation: dict[str, str], keys: dict[str, str], installation: Installation, hours: int
) -> None:
    previous = rotated(
        live({**rotation, **ASKED}), org=organization(keys=keys), installation=installation
    ).status.previous
    assert (previous.ends_at - DELIVERED if previous else timedelta()) == timedelta(hours=hours)


def verdict(
    view: ApiKey | None, *, now: datetime = NOW, org: Organization = ORG, member: Membership = MEMBER
) -> Verdict:
    assert view is not None
    return validity(view, member, org, now)


def test_a_former_token_ends_with_the_overlap_and_a_shorter_one_brings_that_forward() -> None:
    key = rotated(live({"overlap": "2h"}))
    assert verdict(former_view(key), now=NOW + 2 * HOUR - timedelta(seconds=1)) is Verdict.VALID
    assert verdict(former_view(key), now=NOW + 2 * HOUR) is Verdict.EXPIRED
    shorter = edited(key, rotation={"overlap": "30m"})
    assert verdict(former_view(shorter), now=NOW + 31 * MINUTE) is Verdict.EXPIRED
    assert verdict(shorter, now=NOW + 31 * MINUTE) is Verdict.VALID
    limited = organization(keys={"maxOverlap": "10m"})
    assert verdict(former_view(key), now=NOW + 11 * MINUTE, org=limited) is Verdict.EXPIRED
    longer = edited(key, rotation={"overlap": "20h"})
    assert verdict(former_view(longer), now=NOW + 3 * HOUR) is Verdict.EXPIRED


def test_a_former_token_ends_no_later_than_by_itself() -> None:
    ttl = issued(api_key(ttl="1h"), MEMBER, ORG, at=NOW - timedelta(minutes=50))
    previous = rotated(edited(ttl, rotation={"overlap": "5h"})).status.previous
    assert previous is not None
    assert previous.ends_at == NOW.replace(microsecond=0) + 10 * MINUTE
    key = rotated(edited(issued(api_key(), MEMBER, ORG), expiresAt=(NOW + MINUTE).isoformat()))
    assert verdict(former_view(key), now=NOW + MINUTE) is Verdict.EXPIRED


@pytest.mark.parametrize(
    ("changes", "spec", "ended"),
    [
        pytest.param({"member": membership(role="Viewer", generation=2)}, {}, Verdict.ROLE_CHANGED, id="role"),
        pytest.param({"member": membership(uid="another")}, {}, Verdict.MEMBERSHIP_GONE, id="member"),
        pytest.param({"org": organization(uid="another")}, {}, Verdict.ORGANIZATION_GONE, id="organization"),
        pytest.param({}, {"revision": 2}, Verdict.PENDING, id="revision"),
        pytest.param({}, {"suspended": True}, Verdict.SUSPENDED, id="suspended"),
        pytest.param({}, {"expiresAt": NOW.isoformat()}, Verdict.EXPIRED, id="expiry"),
    ],
)
def test_what_ends_a_key_ends_each_of_its_tokens(changes: dict[str, Any], spec: dict[str, Any], ended: Verdict) -> None:
    """The present, the announced and the former one: each is judged by its own stamp."""
    during, after = edited(announced(live(ASKED)), **spec), edited(rotated(live(ASKED)), **spec)
    for view in (during, announced_view(during), after, former_view(after)):
        assert verdict(view, **changes) is ended


def test_a_service_accounts_former_token_survives_role_changes_and_follows_an_approval() -> None:
    robot = membership(kind="ServiceAccount")
    key = rotated(live(ASKED, member=robot), member=robot)
    promoted = membership(kind="ServiceAccount", role="Viewer", generation=2)
    assert verdict(former_view(key), member=promoted) is Verdict.VALID
    approved = edited(key, forRole="Member")
    assert verdict(former_view(approved), member=promoted) is not Verdict.VALID


def test_a_new_token_of_another_revision_or_tenure_drops_the_former_one() -> None:
    key = edited(rotated(live(ASKED)), revision=2)
    stamp = new_stamp(seen(key), NOW)
    status = issued_status(seen(key), stamp, key_id="k" * 12, token_hash="sha256:x", secret_uid="secret-1")
    assert (status.next, status.previous) == (None, None)
    assert stamp.sequence == 3


def test_keys_of_one_commit_rotate_at_different_times_and_never_late() -> None:
    times = set()
    for number in range(100):
        at = rotates_at(edited(api_key(uid=f"key-{number}"), rotation={"every": "100h"}), NOW)
        assert at is not None
        assert NOW + timedelta(hours=90) - MINUTE <= at <= NOW + timedelta(hours=100)
        times.add(at)
    assert len(times) > 90


def test_the_delivery_is_by_the_api_servers_clock_and_not_in_the_future() -> None:
    """Whoever may edit the Secret can also edit the record of when it was written."""
    facts = replace(secret_facts(live()), written="2099-01-01T00:00:00Z")
    assert facts.written_at(NOW) == NOW.replace(microsecond=0)
    earlier = replace(facts, written=(NOW - MINUTE).isoformat())
    assert earlier.written_at(NOW) == NOW - MINUTE


def test_the_next_token_of_a_narrowed_key_works_only_if_it_is_narrowed() -> None:
    key = edited(issued(api_key(capabilities=["costs"]), MEMBER, ORG), rotation=ASKED)
    stamp = new_stamp(seen(key), NOW)
    for narrowed, verdict in ((True, Verdict.VALID), (False, Verdict.PENDING)):
        token = Token.mint(b"n" * 48, narrowed=narrowed)
        status = announced_status(seen(key), stamp, key_id=token.key_id, token_hash=token.hash)
        view = announced_view(with_status(key, status))
        assert view is not None
        assert validity(view, MEMBER, ORG, NOW) is verdict


@pytest.mark.parametrize(
    ("key", "at"),
    [
        pytest.param(live(ASKED), ISSUED, id="asked"),
        pytest.param(live({"every": "24h"}), ISSUED + 24 * HOUR, id="due"),
        pytest.param(live(), ISSUED, id="nothing asked"),
    ],
)
def test_a_token_that_is_due_by_the_clock_of_the_stamps_waits_no_longer(key: ApiKey, at: datetime) -> None:
    assert wait_until_due(key, at) == timedelta()


def test_by_a_clock_that_is_ahead_a_token_waits_until_it_is_due_by_the_clock_of_the_stamps() -> None:
    key = live({"every": "24h"}, at=NOW)
    due = rotates_at(key, NOW)
    assert due is not None
    assert find_key_state(seen(key, now=NOW + 48 * HOUR)) is KeyState.TO_ROTATE
    assert wait_until_due(key, NOW) == due - NOW


def test_a_token_that_another_process_has_just_announced_is_not_replaced_at_once() -> None:
    key = announced(live(ASKED))
    assert wait_until_due(key, NOW) == timedelta(seconds=5)
    assert wait_until_due(key, NOW + timedelta(seconds=5)) == timedelta(), "it died"
    assert wait_until_due(key, NOW - HOUR) == timedelta(), "the clock was set back, for example by a restore"


@pytest.mark.parametrize(
    ("observation", "newer"),
    [
        pytest.param(seen(live()), True, id="works"),
        pytest.param(seen(edited(live(), revision=2)), True, id="revision raised"),
        pytest.param(seen(edited(live(), expiresAt="2027-01-05T00:00:00Z")), True, id="expired"),
        pytest.param(seen(live(), member=membership(role="Viewer", generation=2)), False, id="role changed"),
        pytest.param(seen(live(), member=membership(uid="another")), False, id="member gone"),
    ],
)
def test_where_a_rotation_may_have_changed_the_secret_the_key_is_read_again(
    observation: ApiKeyObservation, *, newer: bool
) -> None:
    assert may_hold_newer_token(observation) is newer
