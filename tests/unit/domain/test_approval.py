"""Which Membership a key without a token may be issued under: never that of the next holder of a name, unasked."""

from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import CREATED, NOW, api_key, edited, issued, membership, organization, shown, with_status
from support.objects.key_model import Cluster
from tenure.domain.approval import belongs_to, is_approved, kept_approval, last_approval
from tenure.domain.conditions import ready_reason
from tenure.domain.planning.actions import IssueToken, UpdateStatus
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.resources.stamp import Approval

ACME = organization()
FORMER = membership(role="Viewer", uid="former")
NEXT = membership(role="Owner", uid="next", subject="next@acme.io", created=CREATED + timedelta(days=30))
"""Another person, an Owner, whose Membership has the former one's name."""


def waiting(uid: str = "former", *, generation: int = 1, revision: int = 1, **spec: Any) -> ApiKey:
    """A key that was never issued and waited for a Membership."""
    kept = {"membershipUID": uid, "membershipGeneration": generation, "revision": revision}
    return api_key(status={"observedGeneration": 1, "approval": kept}, revision=revision, **spec)


def dead(**spec: Any) -> ApiKey:
    """A key whose token is gone."""
    return issued(api_key(**spec), FORMER, ACME, secret_uid=None, reason="MembershipGone")


def outcome(key: ApiKey, member: Membership | None) -> str:
    """What becomes of a key: `Issued`, or the reason why it isn't."""
    plan = plan_api_key(ApiKeyObservation(key, member, ACME if member else None, [key], NOW))
    if any(isinstance(action, IssueToken) for action in plan.actions):
        return "Issued"
    (update,) = (action for action in plan.actions if isinstance(action, UpdateStatus))
    return str(ready_reason(update.status.conditions))


AFTER, SAME_SECOND = NEXT.metadata.creation_timestamp + timedelta(seconds=1), NEXT.metadata.creation_timestamp

ROWS: dict[str, tuple[ApiKey, Membership | None, str]] = {
    "seen: a leaving Viewer's waiting key": (waiting(), NEXT, "MembershipGone"),
    "seen: approved for the next one's role": (waiting(for_role="Owner"), NEXT, "MembershipGone"),
    "seen: issued, and approved for the next one's role": (dead(for_role="Owner"), NEXT, "MembershipGone"),
    "issued": (dead(), NEXT, "MembershipGone"),
    "issued by an earlier version, which remembers nothing else": (dead(), FORMER, "Issued"),
    "approved for another role too": (waiting(for_role="Member"), NEXT, "MembershipGone"),
    "waiting, revision raised": (edited(waiting(), revision=2), NEXT, "Issued"),
    "issued, revision raised": (edited(dead(), revision=2), NEXT, "Issued"),
    "the revision of before isn't raised": (waiting(revision=2), NEXT, "MembershipGone"),
    "nobody has the name": (waiting(), None, "MembershipGone"),
    "nobody ever had it": (api_key(), None, "MembershipNotFound"),
    "its own Membership": (waiting(), FORMER, "Issued"),
    "created after the next one, with a status of before": (waiting(created=AFTER), NEXT, "Issued"),
    "created in the same second, with a status of before": (waiting(created=SAME_SECOND), NEXT, "MembershipGone"),
    "restored without a status, after its Membership": (api_key(created=AFTER), NEXT, "Issued"),
    "restored without a status, in the same second": (api_key(created=SAME_SECOND), NEXT, "Issued"),
    "restored, or in one commit, before its Membership": (
        api_key(created=SAME_SECOND - timedelta(minutes=59)),
        NEXT,
        "Issued",
    ),
    "without a status, and much older than its Membership": (api_key(), NEXT, "MembershipGone"),
    "never issued, from an earlier version": (api_key(), FORMER, "Issued"),
    "its role changed while it waited": (
        waiting(),
        membership(role="Owner", uid="former", generation=2),
        "RoleChanged",
    ),
    "its role changed, and it was approved": (
        waiting(for_role="Owner"),
        membership(role="Owner", uid="former", generation=2),
        "Issued",
    ),
    "its role changed, revision raised": (
        edited(waiting(), revision=2),
        membership(role="Owner", uid="former", generation=2),
        "Issued",
    ),
    "a service account's role changed": (
        waiting(),
        membership(kind="ServiceAccount", uid="former", generation=2),
        "Issued",
    ),
    "a service account of the name": (waiting(), membership(kind="ServiceAccount", uid="next"), "MembershipGone"),
}


@pytest.mark.parametrize(("key", "member", "expected"), ROWS.values(), ids=ROWS)
def test_a_key_is_issued_under_the_membership_that_it_belongs_to(
    key: ApiKey, member: Membership | None, expected: str
) -> None:
    assert outcome(key, member) == expected


def _kept(key: ApiKey, member: Membership | None) -> ApiKey:
    """The key after a status was written that says why it waits."""
    status = key.status.model_copy(update={"approval": kept_approval(key, member)})
    return with_status(key, status)


def test_the_first_membership_that_was_seen_is_remembered_until_the_revision_is_raised() -> None:
    key = _kept(api_key(), None)
    assert last_approval(key) is None
    key = _kept(key, FORMER)
    assert last_approval(key) == Approval(
        membership="alice", membership_uid="former", membership_generation=1, revision=1
    )
    assert last_approval(_kept(key, None)) == last_approval(_kept(key, NEXT)) == last_approval(key)
    raised = _kept(edited(key, revision=2), NEXT)
    assert last_approval(raised) == Approval(
        membership="alice", membership_uid="next", membership_generation=1, revision=2
    )
    assert belongs_to(raised, NEXT)
    assert not belongs_to(raised, membership(uid="third"))
    assert not belongs_to(raised, FORMER)


def test_a_raised_revision_approves_once() -> None:
    """Issued, ended, raised under the next holder, where the quota hindered it: the third one doesn't get it."""
    raised = _kept(edited(dead(), revision=2), NEXT)
    assert raised.status.issued is not None
    assert belongs_to(raised, NEXT)
    assert not belongs_to(raised, membership(uid="third"))


def test_an_approval_for_a_role_change_doesnt_outlast_the_next() -> None:
    key = _kept(edited(dead(), revision=2), membership(uid="former", generation=2))
    assert is_approved(key, membership(uid="former", generation=2))
    assert not is_approved(key, membership(uid="former", generation=3))


def test_a_key_that_is_too_old_can_be_approved_as_its_message_says() -> None:
    key = _kept(api_key(revision=5), NEXT)
    assert not belongs_to(key, NEXT)
    assert belongs_to(edited(key, revision=6), NEXT)
    assert not belongs_to(_kept(edited(key, revision=6), NEXT), FORMER)


def test_a_status_of_an_older_version_counts_with_the_newer_token() -> None:
    """Rolled back and upgraded again: the older code issued a token and left the approval as it was."""
    rolled_back = issued(edited(waiting(), revision=3), FORMER, ACME, secret_uid=None)
    rolled_back = with_status(
        rolled_back, rolled_back.status.model_copy(update={"approval": waiting().status.approval})
    )
    assert last_approval(rolled_back) == Approval(membership_uid="former", membership_generation=1, revision=3)
    assert not belongs_to(rolled_back, NEXT)


def test_a_working_key_remembers_by_its_stamp_alone() -> None:
    key = issued(waiting(), FORMER, ACME)
    key = with_status(key, key.status.model_copy(update={"approval": waiting().status.approval}))
    plan = plan_api_key(ApiKeyObservation(key, FORMER, ACME, [key], NOW))
    assert shown(plan) == ["UpdateStatus Issued"]
    (update,) = plan.actions
    assert isinstance(update, UpdateStatus)
    assert update.status.approval is None  # type: ignore[union-attr]


def test_what_a_leaving_member_planted_is_not_issued_to_the_next_one() -> None:
    cluster = Cluster(key=api_key(for_role="Owner"), member=FORMER)
    cluster.reconcile()
    cluster.member = None
    cluster.reconcile()
    cluster.member = NEXT
    for _ in range(3):
        cluster.reconcile()
    assert cluster.minted == []
    cluster.key = edited(cluster.key, revision=2)
    cluster.reconcile()
    assert len(cluster.minted) == 1
