"""An Owner leaves only where another one stays, and under a lease that nobody else's change can be stored under."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support import manifests
from support.builders import NOW, membership
from support.evidence import of_membership
from support.reviewed import change
from tenure.domain.admission.decide import decide
from tenure.domain.admission.decision import Decision, Rule
from tenure.domain.lease import Lease
from tenure.domain.resources import Membership

OLGA_UID, OMAR_UID = "uid-of-olga", "uid-of-omar"
OLGA = membership("olga", role="Owner", uid=OLGA_UID, version=7)
OMAR = membership("omar", role="Owner", uid=OMAR_UID, version=9)
MOVED = membership("omar", role="Owner", uid=OMAR_UID, version=10)
OTTO = membership("otto", role="Owner", version=5)

OF_OLGA = Lease("tenure-system", "tenure-owners-acme", OLGA_UID, "6", NOW, 70, resource_version="41")
OF_OMAR = replace(OF_OLGA, holder=OMAR_UID, held_version="9")
OVER = replace(OF_OMAR, acquired=NOW - timedelta(seconds=70))


def decided(*, removed: bool = False, dry_run: bool = False, **facts: Any) -> Decision:
    """The decision where olga, an Owner, steps down or is removed."""
    new = None if removed else manifests.member("olga", "Viewer")
    asked = change(Membership, old=manifests.member("olga", "Owner"), new=new, dryRun=dry_run)
    return decide(of_membership(asked, **facts))


@pytest.mark.parametrize("removed", [False, True], ids=["steps down", "is removed"])
@pytest.mark.parametrize(
    ("owners", "lease", "free"),
    [
        pytest.param([OLGA, OMAR], None, True, id="no lease"),
        pytest.param([OLGA, OMAR], OF_OLGA, True, id="her own lease"),
        pytest.param([OLGA, OMAR], OF_OMAR, False, id="his lease, and he is as he was"),
        pytest.param([OLGA, MOVED], OF_OMAR, True, id="his lease, and he changed since"),
        pytest.param([OLGA, OTTO], OF_OMAR, True, id="his lease, and he is gone"),
        pytest.param([OLGA, OMAR], OVER, True, id="his lease, which is over"),
        pytest.param([OLGA, OMAR], replace(OVER, seconds=71), False, id="his lease, a second before it is over"),
    ],
)
def test_an_owner_leaves_under_a_lease_that_is_free(
    owners: list[Membership], lease: Lease | None, *, free: bool, removed: bool
) -> None:
    decision = decided(removed=removed, owners=owners, lease=lease)
    assert decision.judgement.allowed is free
    assert decision.refusals == ()
    assert bool(decision.judgement.busy) is not free
    trial = decided(removed=removed, owners=owners, lease=lease, dry_run=True)
    assert (trial.judgement.allowed, trial.claim) == (free, None)
    if not free:
        assert decision.claim is None
        return
    claim = decision.claim
    assert claim is not None
    assert (claim.namespace, claim.holder, claim.held_version, claim.replaces) == ("acme", OLGA_UID, "7", lease)
    assert "try again" in claim.lost.busy
    assert not claim.lost.allowed


@pytest.mark.parametrize("lease", [None, OF_OLGA, OF_OMAR], ids=["no lease", "her own", "his"])
@pytest.mark.parametrize("removed", [False, True], ids=["steps down", "is removed"])
def test_the_last_owner_stays_unless_the_namespace_goes(lease: Lease | None, *, removed: bool) -> None:
    refused = decided(removed=removed, owners=[OLGA], lease=lease)
    assert [refusal.rule for refusal in refused.refusals] == [Rule.LAST_OWNER]
    assert (refused.claim, refused.judgement.busy) == (None, "")
    going = decided(removed=removed, owners=[OLGA], lease=lease, terminating=True)
    assert going.judgement.allowed
    assert going.claim is None


def test_whoever_does_not_hold_the_grants_takes_no_lease_and_learns_nothing_of_owners() -> None:
    decision = decided(owners=[OLGA], grants=())
    assert [refusal.rule for refusal in decision.refusals] == [Rule.GRANTS]
    assert decision.claim is None
