"""A key's life as random events: no dead token ever works again, and whatever happened, plans come to rest."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.objects.builders import api_key, issued, membership, secret_facts, shown
from support.objects.key_events import CRASHES, EDITS, EVENTS, HAND_OVERS
from support.objects.key_model import Cluster
from tenure.domain.conditions import find_condition, ready_reason
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.memberships import plan_membership
from tenure.domain.reasons import ConditionType, Reason
from tenure.domain.rotation import rotation_due
from tenure.domain.validity import Verdict

RESTS_WITHIN = 8
"""Rounds: the Secret goes, the Membership records it, the key is ended or issued, a rotation takes three more."""

GRACE = timedelta(seconds=5)
"""Time after which a key without a token is stalled."""

ALL = EDITS | HAND_OVERS | CRASHES | {"operator works": Cluster.reconcile}
histories = st.lists(st.sampled_from(list(ALL)), max_size=12)
kinds = st.sampled_from(["User", "User", "ServiceAccount"])


def _live(cluster: Cluster, events: list[str]) -> None:
    """Let the events happen; after each of them no dead token may work, whether the operator ran or not."""
    for event in events:
        ALL[event](cluster)
        cluster.witness()


def _rest(cluster: Cluster) -> bool:
    """Let the operator work until nothing is left to do; returns whether the ApiKey is still there."""
    for _ in range(RESTS_WITHIN):
        if not cluster.reconcile():
            return False
        cluster.now += timedelta(seconds=1)  # An ApiKey outlives its Secret for the time that a commit takes.
    cluster.now += GRACE
    if not cluster.reconcile():
        return False
    in_conflict = ready_reason(cluster.key.status.conditions) == Reason.SECRET_CONFLICT
    assert shown(plan_api_key(cluster.observe())) == (["IssueToken"] if in_conflict else [])
    seen = cluster.observe_member()
    assert seen is None or shown(plan_membership(seen)) == []
    return True


@given(kinds, st.sampled_from([None, "50h", "200h"]), histories)
@settings(max_examples=500)
def test_no_dead_token_works_and_plans_come_to_rest(kind: str, ttl: str | None, events: list[str]) -> None:
    cluster = Cluster(key=api_key(ttl=ttl), member=membership(kind=kind))
    cluster.reconcile()
    _live(cluster, events)
    if not _rest(cluster):
        return
    works = cluster.verdict is Verdict.VALID
    assert works == (ready_reason(cluster.key.status.conditions) == Reason.ISSUED)
    if works:
        assert cluster.secret is not None
        assert cluster.secret.holds_issued_token(cluster.key)
        assert cluster.key.status.hash not in cluster.dead
    elif cluster.verdict is not Verdict.SUSPENDED:
        assert cluster.secret is None or not cluster.secret.is_owned_by(cluster.key), "a dead token is delivered"
        assert cluster.key.status.secret_uid is None


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        pytest.param([], "Issued", id="nothing happens"),
        pytest.param(["Viewer", "Member"], None, id="changed and changed back while nobody looked"),
        pytest.param(["forRole Viewer", "Viewer"], "Issued", id="approved, then changed"),
        pytest.param(["Viewer", "forRole Viewer"], "Issued", id="changed, then approved"),
        pytest.param(["policy Revoke", "Viewer", "operator works"], "RoleChanged", id="tombstone"),
        pytest.param(["policy Revoke", "Viewer", "operator works", "revision raised"], "Issued", id="asked for again"),
        pytest.param(["operator works", "revision raised", "operator crashes before write 3"], "Issued", id="crash"),
        pytest.param(
            ["secret deleted", "operator crashes before write 2", "policy Revoke", "Viewer"],
            "RoleChanged",
            id="crash, then the role changes",
        ),
        pytest.param(["secret foreign"], "SecretConflict", id="conflict"),
        pytest.param(["secret foreign", "operator works", "secret deleted"], "Issued", id="conflict over"),
    ],
)
def test_a_history_ends_as_expected(events: list[str], reason: str | None) -> None:
    cluster = Cluster()
    cluster.reconcile()
    _live(cluster, events)
    there = _rest(cluster)
    assert (ready_reason(cluster.key.status.conditions) if there else None) == reason


TURNS = ["Member", "Viewer", "forRole Member", "forRole Viewer", "forRole removed"]
ONCE = ["revision raised", "key suspended", "key not suspended", "expiresAt in an hour", "an hour"]
AGAIN = ["key deleted", "key created again", "membership created again", "organization created again"]
GIVEN = [*HAND_OVERS, "rotation requested", "a second", "a second", "a second", "two minutes"]


@given(
    st.sampled_from(["User", "ServiceAccount", "ServiceAccount"]),
    st.lists(st.sampled_from([*TURNS * 4, *ONCE, *AGAIN, *["operator works"] * 8]), max_size=10),
)
@settings(max_examples=500)
def test_a_token_that_ended_never_works_again(kind: str, events: list[str]) -> None:
    """Every edit that people may make, with the operator up or down at each step."""
    cluster = Cluster(member=membership(kind=kind))
    _live(cluster, ["operator works", *events])


@given(
    st.sampled_from(["User", "User", "ServiceAccount"]),
    st.sampled_from([["ci created", "bob created"], []]),
    st.lists(
        st.sampled_from([*GIVEN * 2, *TURNS, *ONCE, *AGAIN, *CRASHES, *["operator works"] * 12]),
        min_size=4,
        max_size=14,
    ),
)
@settings(max_examples=500)
def test_a_token_of_a_key_that_changes_hands_follows_its_own_member(
    kind: str, present: list[str], events: list[str]
) -> None:
    """From one member to another and back, to members that are missing, and with the operator cut off at each write."""
    cluster = Cluster(member=membership(kind=kind))
    _live(cluster, [*present, "operator works", *events])
    if _rest(cluster) and cluster.verdict is Verdict.VALID:
        assert cluster.secret is not None
        assert cluster.secret.holds_issued_token(cluster.key)
        due = rotation_due(cluster.key)
        if cluster.key.is_handed_over and due is not None and due <= cluster.now:
            rotating = find_condition(cluster.key.status.conditions, ConditionType.ROTATING)
            assert rotating is not None, "the hand-over is forgotten"
            assert rotating.reason == Reason.HAND_OVER_PENDING


PLANTED = ["operator works", "forRole Viewer", "Viewer", "Member", "forRole removed"]
"""Seen on a service account's key, with the operator down from the second step on."""


@pytest.mark.parametrize("for_role", ["Member", "Viewer"])
def test_taking_an_approval_back_revives_no_token(for_role: str) -> None:
    events = ["operator works", f"forRole {for_role}", "operator works", "Viewer", "forRole removed"]
    for asks_webhook in (True, False):
        cluster = Cluster(member=membership(kind="ServiceAccount"), asks_webhook=asks_webhook)
        _live(cluster, events)  # The operator saw the approval, and the stamp remembers it.
        assert cluster.verdict is not Verdict.VALID


def test_what_the_operator_cant_see_the_webhook_closes() -> None:
    robot = membership(kind="ServiceAccount")
    _live(Cluster(member=robot), PLANTED)
    with pytest.raises(AssertionError, match="a dead token works"):
        _live(Cluster(member=robot, asks_webhook=False), PLANTED)


def test_a_refused_role_change_changes_nothing() -> None:
    """One commit has a role and the approval for it. The role is refused, so the approved key goes on as it is."""
    for kind in ("User", "ServiceAccount"):
        cluster = Cluster(member=membership(kind=kind))
        verdicts = []
        # The role passes in the end.
        for events in (["operator works", "forRole Viewer"], ["operator works"], ["Viewer"], ["operator works"] * 3):
            _live(cluster, events)
            verdicts.append((cluster.verdict, len(cluster.minted)))
        works, changed = Verdict.VALID, Verdict.ROLE_CHANGED
        assert verdicts == [(works, 1), (works, 1), (changed, 1), (works, 2)]


def test_a_dead_token_is_noticed() -> None:
    """The property above can fail: a key that is stamped anew without a new token is caught."""
    cluster = Cluster()
    cluster.reconcile()
    EVENTS["Viewer"](cluster)
    assert cluster.member is not None
    assert cluster.org is not None
    forged = issued(cluster.key, cluster.member, cluster.org, hash=cluster.minted[0].hash)
    cluster.key, cluster.secret = forged, secret_facts(forged)
    with pytest.raises(AssertionError):
        _live(cluster, ["an hour"])
