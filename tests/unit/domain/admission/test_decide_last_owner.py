"""An organization keeps its last Owner, whichever way it would lose it, and nothing else is held up by that."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.objects import manifests
from support.objects.builders import NOW, condition, membership, organization
from support.objects.evidence import judged, of_membership
from support.objects.reviewed import change
from tenure.domain.admission.decide import check_metadata, decide
from tenure.domain.admission.decision import Decision
from tenure.domain.admission.evidence import MembershipEvidence, NotReadError
from tenure.domain.lease import Lease
from tenure.domain.resources import Membership

Body = manifests.Body

OWNED: Body = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "4711"}]}
ONLY_OWNER = (
    "spec.role: olga is the only Owner of Organization acme, and an organization must keep one. "
    "First make another member an Owner. (A member who is suspended, is being deleted or has an ownerReference "
    "doesn't count.)"
)
BUSY = "Another Owner of Organization acme is being changed at this moment. Try again in a second."


def olga(role: str = "Owner", **metadata: Any) -> Body:
    body = manifests.member("olga", role)
    return {**body, "metadata": {**body["metadata"], **metadata}}


ROLES = ("Member", "Analyst", "Viewer")
WAYS: Mapping[str, Body | None] = {
    **{f"made {role}": olga(role) for role in ROLES},
    "removed": None,
    "left to the garbage collector": olga(**OWNED),
    "left to the garbage collector and demoted": olga("Viewer", **OWNED),
}
"""How olga may go; the API server makes these of a merge patch, a JSON patch, an apply, a replacement, any deletion."""

OLGA = membership("olga", role="Owner", uid="uid-of-olga")
OMAR = membership("omar", role="Owner", version=7)
DUPLICATE = {"conditions": [condition("Ready", "DuplicateSubject", holds=False)]}
OMAR_OWNED = OMAR.model_copy(update={"metadata": OMAR.metadata.model_copy(update={"owned": True})})
ASKS = organization(role_changes={"whenKeysExist": "RequireAcknowledgement"})

LEAVES: Mapping[str, Mapping[str, Any]] = {
    "nobody else": {"owners": [OLGA]},
    "held while it is deleted": {"owners": [OLGA, membership("omar", role="Owner", deleting=True)]},
    "suspended": {"owners": [OLGA, OMAR], "organization": organization(suspended_members=["omar"])},
    "left to the garbage collector": {"owners": [OLGA, OMAR_OWNED]},
    "of another organization": {"owners": [OLGA, membership("omar", role="Owner", organization="other")]},
    "without effect beside an older Membership": {"owners": [OLGA, membership("omar", role="Owner", status=DUPLICATE)]},
    "no Owner any more": {"owners": [OLGA, membership("omar")]},
}
"""How there is another Owner, omar, who doesn't count."""


@pytest.mark.parametrize("new", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("facts", LEAVES.values(), ids=LEAVES)
def test_an_owner_who_may_be_gone_does_not_count(facts: Mapping[str, Any], new: Body | None) -> None:
    assert judged(Membership, old=olga(), new=new, **facts).message == ONLY_OWNER


def decision(new: Body | None, **facts: Any) -> Decision:
    return decide(of_membership(change(Membership, old=olga(), new=new), **{"owners": [OLGA, OMAR], **facts}))


@pytest.mark.parametrize("new", WAYS.values(), ids=WAYS)
def test_one_of_two_owners_may_go_and_only_the_change_itself_takes_the_lease(new: Body | None) -> None:
    assert judged(Membership, old=olga(), new=new, owners=[OLGA, OMAR]).allowed
    claim = decision(new).claim
    assert claim is not None
    assert (claim.namespace, claim.holder, claim.held_version) == ("acme", "uid-of-olga", "1")
    assert claim.replaces is None
    assert (claim.lost.busy, claim.lost.refusals, claim.lost.allowed) == (BUSY, (), False)


LETS: Mapping[str, Mapping[str, Any]] = {
    "without an organization": {"organization": None},
    "while the organization is being deleted": {"organization": organization(deleting=True)},
    "while the namespace is being deleted": {"namespace_terminating": True},
}


@pytest.mark.parametrize("new", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("facts", LETS.values(), ids=LETS)
def test_where_the_organization_goes_every_owner_may_go(facts: Mapping[str, Any], new: Body | None) -> None:
    made = decision(new, owners=[OLGA], **facts)
    assert made.judgement.allowed
    assert made.claim is None


KEEPS: Mapping[str, tuple[Body, Body | None]] = {
    "no Owner goes": (olga("Viewer"), None),
    "no Owner steps down": (olga("Member"), olga("Viewer")),
    "an Owner comes": (olga("Member"), olga("Owner")),
    "an Owner stays": (olga(), olga(labels={"a": "b"})),
    "an Owner whose owner goes stays": (olga(**OWNED), olga()),
    "an Owner who is being deleted goes": (olga(deletionTimestamp="2027-02-22T08:30:00Z"), None),
}


@pytest.mark.parametrize(("old", "new"), KEEPS.values(), ids=KEEPS)
def test_whoever_takes_no_owner_away_needs_no_other_one(old: Body, new: Body | None) -> None:
    made = decide(of_membership(change(Membership, old=old, new=new), owners=[]))
    assert made.judgement.allowed
    assert made.claim is None


def held(by: Membership, version: str = "7", *, since: float = 10) -> Lease:
    """The lease, taken so many seconds ago for a minute."""
    acquired = NOW - timedelta(seconds=since)
    return Lease("tenure-system", "tenure-owners-acme", by.metadata.uid, version, acquired, 60, resource_version="41")


LEASES: Mapping[str, tuple[Lease | None, bool]] = {
    "there is none": (None, False),
    "another Owner holds it": (held(OMAR), True),
    "another Owner holds it to the last moment": (held(OMAR, since=59.9), True),
    "it is over": (held(OMAR, since=60), False),
    "it is one's own": (held(OLGA, "1"), False),
    "it was one's own in another version": (held(OLGA, "0"), False),
    "the holder's Membership has changed since": (held(OMAR, "6"), False),
    "the holder is gone": (held(membership("otto", role="Owner")), False),
}


@pytest.mark.parametrize(("lease", "busy"), LEASES.values(), ids=LEASES)
@pytest.mark.parametrize("new", WAYS.values(), ids=WAYS)
def test_while_another_owner_may_still_go_one_has_to_wait(new: Body | None, lease: Lease | None, busy: bool) -> None:  # noqa: FBT001
    answer = judged(Membership, old=olga(), new=new, owners=[OLGA, OMAR], lease=lease, service_account_keys=2)
    assert (answer.busy, answer.refusals, answer.allowed) == (BUSY if busy else "", (), not busy)
    assert any("of service accounts stay valid" in warning for warning in answer.warnings) is not busy
    claim = decision(new, lease=lease).claim
    assert (claim is None) is busy
    assert claim is None or claim.replaces is lease


def test_the_lease_is_for_the_version_that_was_listed() -> None:
    listed = OLGA.model_copy(update={"metadata": OLGA.metadata.model_copy(update={"resource_version": "9"})})
    claim = decision(None, owners=[listed, OMAR]).claim
    assert claim is not None
    assert claim.held_version == "9"


def test_who_is_no_owner_as_it_is_stored_takes_no_lease() -> None:
    """The Membership has changed since the review was sent, so the write meets a conflict; or the review is forged."""
    for lease in (None, held(OMAR)):
        made = decision(None, owners=[OMAR], lease=lease)
        assert made.judgement.allowed
        assert (made.claim, made.line) == (None, None)


def test_who_has_to_wait_enters_the_line_once_and_not_by_a_dry_run() -> None:
    line = decision(None, lease=held(OMAR)).line
    assert line is not None
    assert line == replace(held(OMAR), waiting=(OLGA.metadata.uid,))
    assert decision(None, lease=line).line is None
    trial = of_membership(change(Membership, old=olga(), new=None, dryRun=True), owners=[OLGA, OMAR], lease=held(OMAR))
    assert decide(trial).line is None
    assert decision(None, lease=held(OMAR), grants=()).line is None


REFUSED: Mapping[str, Mapping[str, Any]] = {
    "no grant": {"grants": ()},
    "denied": {"organization": organization(role_changes={"deny": [{"from": "*", "to": "Viewer"}]})},
    "no other Owner": {"owners": [OLGA]},
    "another Owner's change": {"lease": held(OMAR)},
}


@pytest.mark.parametrize("facts", REFUSED.values(), ids=REFUSED)
def test_a_change_that_is_not_allowed_takes_no_lease(facts: Mapping[str, Any]) -> None:
    made = decision(olga("Viewer"), **facts)
    assert not made.judgement.allowed
    assert made.claim is None


def test_a_change_that_is_refused_for_its_labels_takes_no_lease() -> None:
    labels = {f"l{number}": "x" for number in range(65)}
    made = decision(olga("Viewer", labels=labels))
    assert [one.rule for one in made.refusals] == [check_metadata]
    assert made.claim is None


def test_whoever_loses_the_lease_hears_what_else_there_is_to_know() -> None:
    owned = decision(olga("Viewer", **OWNED), service_account_keys=3)
    assert owned.claim is not None
    said = [warning.partition(":")[0] for warning in owned.judgement.warnings]
    assert said == [
        "metadata.ownerReferences",
        "3 keys of service accounts stay valid. Replace the tokens that olga@acme.io may know (raise spec.revision).",
    ]
    assert owned.claim.lost.warnings == owned.judgement.warnings[:1]


def test_an_owner_who_is_left_to_the_garbage_collector_is_warned_about() -> None:
    (warning,) = judged(Membership, old=olga(), new=olga(**OWNED), owners=[OLGA, OMAR]).warnings
    assert warning.startswith("metadata.ownerReferences: the garbage collector deletes olga")


def test_a_first_owner_who_is_created_with_an_owner_reference_is_warned_about() -> None:
    (warning,) = judged(Membership, new=olga(**OWNED), namesakes=[]).warnings
    assert warning.startswith("metadata.ownerReferences: the garbage collector deletes olga")


def test_whoever_may_not_delete_hands_nobody_to_the_garbage_collector() -> None:
    renamed: Body = {"ownerReferences": [{**OWNED["ownerReferences"][0], "name": "another"}]}
    for old, new in ((olga(), olga(**OWNED)), (olga(**OWNED), olga(**renamed))):
        answer = judged(Membership, old=old, new=new, owners=[OLGA], may_delete=False)
        # Nothing is said of Owners and keys to somebody who may not make the change.
        (refusal,) = answer.refusals
        assert refusal.startswith(
            "metadata.ownerReferences: root@elsewhere.example lacks delete on memberships.tenure.dev/olga"
        )
        assert answer.audit == {"from": "Owner", "to": "None"}
        assert "lacks grant-owner" in judged(Membership, old=old, new=new, owners=[OLGA], grants=()).message
    kept: Body = {"ownerReferences": [{**OWNED["ownerReferences"][0], "blockOwnerDeletion": False}]}
    assert judged(Membership, old=olga(**OWNED), new=olga(**kept), may_delete=False).allowed


UNREAD: Mapping[str, Callable[[MembershipEvidence], MembershipEvidence]] = {
    "the Owners": lambda evidence: replace(evidence, owners=None),
    "whether the namespace is being deleted": lambda evidence: replace(evidence, owners=[], namespace_terminating=None),
    "the member's keys": lambda evidence: replace(evidence, keys=None, organization=ASKS, issuer=ASKS),
    "the number of service accounts' keys": lambda evidence: replace(evidence, service_account_keys=None),
}


@pytest.mark.parametrize("what", UNREAD)
def test_nothing_is_decided_on_what_nobody_has_read(what: str) -> None:
    evidence = of_membership(change(Membership, old=olga(), new=olga("Viewer")), owners=[OMAR])
    assert decide(evidence).judgement.allowed
    with pytest.raises(NotReadError, match=what):
        decide(UNREAD[what](evidence))


@pytest.mark.parametrize("old", [None, "Member"], ids=str)
def test_a_first_owner_whom_a_rule_denies_takes_the_owners_lease(old: str | None) -> None:
    """Otherwise two of them at the same moment would each see no Owner."""
    before = None if old is None else manifests.member("dana", old)
    asked = change(Membership, old=before, new=manifests.member("dana", "Owner"))
    facts: dict[str, Any] = {
        "organization": organization(role_changes={"deny": [{"from": one, "to": "*"} for one in ("*", "None")]}),
        "owners": [],
    }
    claim = decide(of_membership(asked, **facts)).claim
    assert claim is not None
    assert (claim.namespace, claim.holder, claim.held_version) == ("acme", "first-owner/dana", "")
    assert not claim.lost.allowed
    busy = "Organization acme is getting another first Owner at this moment. Try again in a second."
    assert claim.lost.busy == busy

    other = Lease("tenure-system", "tenure-owners-acme", "first-owner/bob", "", NOW, 70, resource_version="4")
    waits = decide(of_membership(asked, **facts, lease=other))
    assert (waits.judgement.busy, waits.claim, waits.line) == (busy, None, None)
    again = decide(of_membership(asked, **facts, lease=replace(other, holder="first-owner/dana")))
    assert again.claim is not None
    dry = change(Membership, old=before, new=manifests.member("dana", "Owner"), dryRun=True)
    assert decide(of_membership(dry, **facts)).claim is None
    free = {**facts, "organization": organization()}
    assert decide(of_membership(asked, **free)).claim is None
