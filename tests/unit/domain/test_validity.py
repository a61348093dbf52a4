"""The rule that ends a key: one row for every verdict, for every precedence, and the rule itself as a property."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.objects.builders import (
    ISSUED,
    NOW,
    api_key,
    edited,
    entropy_of,
    issued,
    membership,
    organization,
    uid_of,
)
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.domain.tokens import Token
from tenure.domain.validity import Verdict, expiry, renewed_stamp, validity, was_revoked_by_role

PRESENT = {"key": uid_of("ApiKey", "k"), "member": uid_of("Membership", "alice"), "org": uid_of("Organization", "acme")}


@dataclass(frozen=True)
class Situation:
    """A key that works, unless a field says otherwise."""

    kind: str = "User"
    role: str = "Member"
    generation: int = 3
    member_uid: str = PRESENT["member"]
    member_exists: bool = True
    member_deleting: bool = False
    org_uid: str = PRESENT["org"]
    org_exists: bool = True
    org_deleting: bool = False
    org_suspended: bool | None = None
    suspended_members: tuple[str, ...] = ()
    key_deleting: bool = False
    key_suspended: bool | None = None
    for_role: str | None = None
    stamped_for_role: str | None = None
    revision: int | None = None
    ttl: str | None = None
    expires_at: datetime | None = None
    was_issued: bool = True
    stamped_generation: int = 3
    stamped_member: str = PRESENT["member"]
    stamped_org: str = PRESENT["org"]
    stamped_revision: int = 1
    capabilities: tuple[str, ...] | None = None
    stamped_capabilities: tuple[str, ...] | None = None
    narrowed: bool = False
    secret_uid: str | None = "secret-1"

    @property
    def membership(self) -> Membership:
        return membership(
            kind=self.kind,
            role=self.role,
            uid=self.member_uid,
            generation=self.generation,
            deleting=self.member_deleting,
        )

    @property
    def organization(self) -> Organization:
        return organization(
            uid=self.org_uid,
            deleting=self.org_deleting,
            suspended=self.org_suspended,
            suspended_members=self.suspended_members,
        )

    @property
    def key(self) -> ApiKey:
        key = api_key(
            deleting=self.key_deleting,
            suspended=self.key_suspended,
            for_role=self.for_role,
            revision=self.revision,
            capabilities=self.capabilities,
            ttl=self.ttl,
            expires_at=None if self.expires_at is None else format_time(self.expires_at),
        )
        if not self.was_issued:
            return key
        return issued(
            key,
            self.membership,
            self.organization,
            organization_uid=self.stamped_org,
            membership_uid=self.stamped_member,
            membership_generation=self.stamped_generation,
            for_role=self.stamped_for_role,
            revision=self.stamped_revision,
            capabilities=self.stamped_capabilities,
            hash=Token.mint(entropy_of(key), narrowed=self.narrowed).hash,
            secret_uid=self.secret_uid,
        )

    def verdict(self) -> Verdict:
        return validity(
            self.key,
            self.membership if self.member_exists else None,
            self.organization if self.org_exists else None,
            NOW,
        )


FAULTS: tuple[tuple[str, Verdict, dict[str, Any]], ...] = (
    ("key being deleted", Verdict.NOT_FOUND, {"key_deleting": True}),
    ("never issued", Verdict.PENDING, {"was_issued": False}),
    ("no organization", Verdict.ORGANIZATION_GONE, {"org_exists": False}),
    ("organization created again", Verdict.ORGANIZATION_GONE, {"org_uid": "another"}),
    ("organization being deleted", Verdict.ORGANIZATION_GONE, {"org_deleting": True}),
    ("no membership", Verdict.MEMBERSHIP_GONE, {"member_exists": False}),
    ("membership created again", Verdict.MEMBERSHIP_GONE, {"member_uid": "another"}),
    ("membership being deleted", Verdict.MEMBERSHIP_GONE, {"member_deleting": True}),
    ("stamp newer than the mirror", Verdict.BEHIND, {"stamped_generation": 4}),
    ("for another role", Verdict.ROLE_MISMATCH, {"for_role": "Analyst", "stamped_generation": 1}),
    ("role changed", Verdict.ROLE_CHANGED, {"stamped_generation": 2}),
    ("revision raised", Verdict.PENDING, {"revision": 2}),
    ("ttl over", Verdict.EXPIRED, {"ttl": "1h"}),
    ("expiresAt over", Verdict.EXPIRED, {"expires_at": NOW}),
    ("no secret", Verdict.PENDING, {"secret_uid": None}),
    ("issued without its limit", Verdict.PENDING, {"capabilities": ("costs",)}),
    ("key suspended", Verdict.SUSPENDED, {"key_suspended": True}),
    ("organization suspended", Verdict.SUSPENDED, {"org_suspended": True}),
    ("member suspended", Verdict.SUSPENDED, {"suspended_members": ("alice",)}),
)
"""What can be wrong with a key, in the order in which it decides."""

PAIRS = [(first, second) for first, second in combinations(FAULTS, 2) if not set(first[2]) & set(second[2])]


def test_every_verdict_has_a_row() -> None:
    assert {verdict for _, verdict, _ in FAULTS} | {Verdict.VALID} == set(Verdict)


@pytest.mark.parametrize(
    ("stamped", "narrowed", "verdict"),
    [
        (("costs", "clusters"), True, Verdict.VALID),
        (("costs", "clusters"), False, Verdict.PENDING),
        (("clusters",), True, Verdict.PENDING),
        (("clusters", "costs", "members"), True, Verdict.PENDING),
        (None, True, Verdict.PENDING),
        (None, False, Verdict.PENDING),
    ],
)
def test_a_narrowed_key_works_only_if_stamp_and_hash_say_that_its_token_is_narrowed(
    stamped: tuple[str, ...] | None,
    verdict: Verdict,
    *,
    narrowed: bool,
) -> None:
    limits = {"capabilities": ("clusters", "costs"), "stamped_capabilities": stamped, "narrowed": narrowed}
    assert replace(Situation(), **limits).verdict() is verdict  # type: ignore[arg-type]


def test_a_token_without_a_limit_has_no_hash_of_a_narrowed_one() -> None:
    assert replace(Situation(), narrowed=True).verdict() is Verdict.PENDING
    assert replace(Situation(), stamped_capabilities=("costs",), narrowed=True).verdict() is Verdict.PENDING


@pytest.mark.parametrize("kind", ["User", "ServiceAccount"])
def test_a_key_without_a_fault_works(kind: str) -> None:
    assert Situation(kind=kind).verdict() is Verdict.VALID


@pytest.mark.parametrize(("verdict", "fault"), [pytest.param(*row[1:], id=row[0]) for row in FAULTS])
def test_a_fault_decides(verdict: Verdict, fault: dict[str, Any]) -> None:
    assert replace(Situation(), **fault).verdict() is verdict


@pytest.mark.parametrize(
    ("verdict", "faults"),
    [pytest.param(a[1], {**a[2], **b[2]}, id=f"{a[0]} before {b[0]}") for a, b in PAIRS],
)
def test_of_two_faults_the_earlier_one_decides(verdict: Verdict, faults: dict[str, Any]) -> None:
    assert replace(Situation(), **faults).verdict() is verdict


SA = Situation(kind="ServiceAccount")
APPROVED = replace(SA, for_role="Member", stamped_for_role="Member")


@pytest.mark.parametrize(
    ("situation", "verdict"),
    [
        pytest.param(Situation(role="Viewer", generation=4), Verdict.ROLE_CHANGED, id="person, role changed"),
        pytest.param(Situation(generation=5), Verdict.ROLE_CHANGED, id="person, changed and changed back"),
        pytest.param(Situation(generation=4), Verdict.ROLE_CHANGED, id="person, generation alone"),
        pytest.param(Situation(member_uid="b", generation=1), Verdict.MEMBERSHIP_GONE, id="person, created again"),
        pytest.param(Situation(generation=2), Verdict.BEHIND, id="person, mirror behind"),
        pytest.param(Situation(for_role="Member"), Verdict.VALID, id="person, approved for its role"),
        pytest.param(Situation(for_role="Viewer"), Verdict.VALID, id="person, approved for another role"),
        pytest.param(
            Situation(for_role="Owner", role="Viewer", generation=4),
            Verdict.ROLE_MISMATCH,
            id="person, approved for another role than the new one",
        ),
        pytest.param(
            Situation(for_role="Viewer", secret_uid=None), Verdict.ROLE_MISMATCH, id="person, waits for a role"
        ),
        pytest.param(
            Situation(for_role="Viewer", revision=2), Verdict.ROLE_MISMATCH, id="person, rotated for another role"
        ),
        pytest.param(replace(SA, for_role="Viewer"), Verdict.VALID, id="service account, approved for another role"),
        pytest.param(
            replace(SA, for_role="Viewer", generation=4),
            Verdict.ROLE_MISMATCH,
            id="service account, approved for another role before the role changed",
        ),
        pytest.param(
            Situation(for_role="Viewer", role="Viewer", generation=4),
            Verdict.ROLE_CHANGED,
            id="person, approved for the new role, not issued anew yet",
        ),
        pytest.param(replace(SA, role="Viewer", generation=4), Verdict.VALID, id="service account, role changed"),
        pytest.param(replace(SA, generation=5), Verdict.VALID, id="service account, changed and changed back"),
        pytest.param(replace(SA, member_uid="b"), Verdict.MEMBERSHIP_GONE, id="service account, created again"),
        pytest.param(replace(SA, generation=2), Verdict.BEHIND, id="service account, mirror behind"),
        pytest.param(
            replace(APPROVED, role="Viewer", generation=4),
            Verdict.ROLE_MISMATCH,
            id="service account, approved for the former role",
        ),
        pytest.param(
            replace(APPROVED, generation=5),
            Verdict.ROLE_CHANGED,
            id="service account, approved, changed and changed back",
        ),
        pytest.param(
            replace(APPROVED, for_role=None, role="Viewer", generation=4),
            Verdict.ROLE_CHANGED,
            id="service account, approval removed after the issue",
        ),
        pytest.param(
            replace(SA, for_role="Viewer", role="Viewer", generation=4),
            Verdict.ROLE_CHANGED,
            id="service account, approved after a role change that it had survived",
        ),
        pytest.param(Situation(suspended_members=("bob",)), Verdict.VALID, id="somebody else suspended"),
        pytest.param(Situation(key_suspended=False, org_suspended=False), Verdict.VALID, id="suspended: false"),
        pytest.param(Situation(revision=1), Verdict.VALID, id="revision 1 is none"),
        pytest.param(Situation(revision=2, stamped_revision=2), Verdict.VALID, id="revision reached"),
    ],
)
def test_a_key_follows_its_tenure(situation: Situation, verdict: Verdict) -> None:
    assert situation.verdict() is verdict


ALICE, CI, ACME = membership(), membership("ci", kind="ServiceAccount"), organization()
HANDED_OVER = edited(issued(api_key(), ALICE, ACME), membership="ci")
ROBOTS = edited(issued(api_key(membership="ci"), CI, ACME), membership="ci2")


@pytest.mark.parametrize(
    ("key", "member", "org", "verdict"),
    [
        pytest.param(HANDED_OVER, ALICE, ACME, Verdict.VALID, id="whether the other member is there or not"),
        pytest.param(HANDED_OVER, None, ACME, Verdict.MEMBERSHIP_GONE, id="its own member removed"),
        pytest.param(HANDED_OVER, CI, ACME, Verdict.MEMBERSHIP_GONE, id="not by the other member"),
        pytest.param(
            HANDED_OVER, membership(role="Viewer", generation=2), ACME, Verdict.ROLE_CHANGED, id="role changed"
        ),
        pytest.param(HANDED_OVER, ALICE, organization(suspended_members=["ci"]), Verdict.VALID, id="target suspended"),
        pytest.param(
            HANDED_OVER, ALICE, organization(suspended_members=["alice"]), Verdict.SUSPENDED, id="member suspended"
        ),
        pytest.param(edited(HANDED_OVER, revision=2), ALICE, ACME, Verdict.PENDING, id="revision in the same write"),
        pytest.param(edited(HANDED_OVER, forRole="Owner"), ALICE, ACME, Verdict.VALID, id="forRole for the target"),
        pytest.param(
            edited(HANDED_OVER, forRole="Owner"),
            membership(role="Viewer", generation=2),
            ACME,
            Verdict.ROLE_CHANGED,
            id="forRole for the target, role changed",
        ),
        pytest.param(
            ROBOTS,
            membership("ci", kind="ServiceAccount", role="Viewer", generation=2),
            ACME,
            Verdict.VALID,
            id="service account, role changed",
        ),
        pytest.param(
            edited(ROBOTS, forRole="Member"),
            membership("ci", kind="ServiceAccount", role="Viewer", generation=2),
            ACME,
            Verdict.ROLE_CHANGED,
            id="service account with forRole, role changed",
        ),
    ],
)
def test_a_handed_over_token_is_judged_by_its_own_stamp(
    key: ApiKey, member: Membership | None, org: Organization, verdict: Verdict
) -> None:
    assert validity(key, member, org, NOW) is verdict


def test_a_hand_over_brings_back_no_token_that_a_role_change_revoked() -> None:
    """The operator is down, so the stamp doesn't remember the approval."""
    approved = edited(issued(api_key(membership="ci"), CI, ACME), forRole="Member")
    viewer = membership("ci", kind="ServiceAccount", role="Viewer", generation=2)
    assert validity(approved, viewer, ACME, NOW) is Verdict.ROLE_MISMATCH
    assert validity(edited(approved, membership="ci2"), viewer, ACME, NOW) is Verdict.ROLE_CHANGED


def test_a_stamp_of_an_older_version_gets_the_name_of_its_membership() -> None:
    old = issued(api_key(), ALICE, ACME, stamped_name=None)
    renewed = renewed_stamp(old, ALICE)
    assert renewed is not None
    assert renewed.membership == "alice"


MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("key", "end"),
    [
        pytest.param(api_key(), None, id="neither"),
        pytest.param(api_key(ttl="24h"), ISSUED + timedelta(days=1), id="ttl"),
        pytest.param(api_key(expires_at=format_time(NOW)), NOW, id="expiresAt"),
        pytest.param(api_key(ttl="24h", expires_at=format_time(NOW)), ISSUED + timedelta(days=1), id="ttl earlier"),
        pytest.param(api_key(ttl="9999h", expires_at=format_time(NOW)), NOW, id="expiresAt earlier"),
        pytest.param(api_key(expires_at="2027-02-22T09:30:00+01:00"), NOW, id="another time zone"),
    ],
)
def test_a_key_ends_at_the_earlier_of_its_two_ends(key: ApiKey, end: datetime | None) -> None:
    assert expiry(key, ISSUED) == end
    live = issued(key, membership(), organization())
    if end is not None:
        assert validity(live, membership(), organization(), end - MOMENT) is Verdict.VALID
        assert validity(live, membership(), organization(), end) is Verdict.EXPIRED


def test_a_ttl_alone_says_nothing_before_the_issue() -> None:
    assert expiry(api_key(ttl="24h"), None) is None
    assert expiry(api_key(ttl="24h", expires_at=format_time(NOW)), None) == NOW


@pytest.mark.parametrize(
    ("situation", "fell"),
    [
        pytest.param(Situation(generation=4), True, id="person, role changed"),
        pytest.param(replace(APPROVED, generation=4), True, id="service account, approved"),
        pytest.param(Situation(), False, id="current"),
        pytest.param(Situation(generation=2), False, id="mirror behind"),
        pytest.param(replace(SA, generation=4), False, id="service account"),
        pytest.param(Situation(generation=4, member_uid="another"), False, id="created again"),
        pytest.param(Situation(generation=4, secret_uid=None), False, id="its Secret is gone"),
        pytest.param(Situation(generation=4, was_issued=False), False, id="never issued"),
    ],
)
def test_a_live_key_falls_with_the_role_of_its_very_membership(situation: Situation, *, fell: bool) -> None:
    assert was_revoked_by_role(situation.key, situation.membership) is fell


def test_a_status_with_a_secret_and_without_a_stamp_is_no_fallen_key() -> None:
    key = api_key(status={"observedGeneration": 1, "secretUID": "forged"})
    assert not was_revoked_by_role(key, membership(generation=2))
    assert validity(key, membership(), organization(), NOW) is Verdict.PENDING


def _with_faults(situation: Situation, faults: list[tuple[str, Verdict, dict[str, Any]]]) -> Situation:
    return replace(situation, **{name: value for _, _, fault in faults for name, value in fault.items()})


situations = st.builds(
    _with_faults,
    st.builds(
        Situation,
        kind=st.sampled_from(["User", "ServiceAccount"]),
        role=st.sampled_from(["Member", "Member", "Viewer"]),
        generation=st.sampled_from([3, 3, 3, 2, 4, 5]),
        for_role=st.sampled_from([None, "Member", "Viewer"]),
        stamped_for_role=st.sampled_from([None, "Member"]),
        expires_at=st.sampled_from([None, NOW + timedelta(hours=1)]),
    ),
    st.lists(st.sampled_from(FAULTS), max_size=3),
)


def _same_tenure(at: Situation) -> bool:
    """The rule as the design words it."""
    if at.member_uid != at.stamped_member:
        return False
    if at.kind == "User" or at.for_role or at.stamped_for_role:
        return at.generation == at.stamped_generation
    return at.generation >= at.stamped_generation


def _alive(at: Situation) -> bool:
    return (
        at.was_issued
        and at.secret_uid is not None
        and (at.revision or 1) == at.stamped_revision
        and at.capabilities == at.stamped_capabilities
        and at.ttl != "1h"
        and (at.expires_at is None or at.expires_at > NOW)
    )


def _exists(at: Situation) -> bool:
    return (
        at.member_exists
        and at.org_exists
        and at.org_uid == at.stamped_org
        and not (at.member_deleting or at.org_deleting or at.key_deleting)
    )


@given(situations)
@settings(max_examples=300)
def test_a_key_works_if_and_only_if_its_tenure_holds(at: Situation) -> None:
    suspended = at.org_suspended or at.key_suspended or "alice" in at.suspended_members
    current = _same_tenure(at) and _alive(at) and _exists(at)
    verdict = at.verdict()
    assert (verdict is Verdict.VALID) == (current and not suspended)
    assert (verdict is Verdict.SUSPENDED) == bool(current and suspended)
    stamp, member = at.key.status.issued, at.membership.metadata
    if at.kind == "User" and verdict in (Verdict.VALID, Verdict.SUSPENDED):
        assert stamp is not None
        assert (stamp.membership_uid, stamp.membership_generation) == (member.uid, member.generation)


@pytest.mark.parametrize(
    ("situation", "generation", "for_role"),
    [
        pytest.param(Situation(for_role="Viewer"), 3, None, id="a person's stamp stays"),
        pytest.param(SA, 3, None, id="nothing happened"),
        pytest.param(replace(SA, generation=5), 5, None, id="survived role changes"),
        pytest.param(replace(SA, for_role="Member"), 3, "Member", id="approved since"),
        pytest.param(replace(SA, for_role="Viewer"), 3, "Viewer", id="approved for another role since"),
        pytest.param(replace(SA, stamped_for_role="Member"), 3, "Member", id="no longer approved"),
        pytest.param(replace(SA, for_role="Viewer", stamped_for_role="Member"), 3, "Viewer", id="approved anew"),
    ],
)
def test_a_stamp_remembers_what_happened_since(situation: Situation, generation: int, for_role: str | None) -> None:
    renewed = renewed_stamp(situation.key, situation.membership)
    assert situation.verdict() is Verdict.VALID
    assert renewed is not None
    assert (renewed.membership_generation, renewed.for_role) == (generation, for_role)
    assert renewed_stamp(api_key(), situation.membership) is None


@given(situations)
@settings(max_examples=300)
def test_no_renewal_of_a_stamp_makes_a_token_current_under_another_generation(at: Situation) -> None:
    """Where a token works, its renewed stamp works too, and dies with the next role change if the key is approved."""
    if at.verdict() is not Verdict.VALID:
        return
    renewed = at.key.model_copy(
        update={"status": at.key.status.model_copy(update={"issued": renewed_stamp(at.key, at.membership)})}
    )
    assert validity(renewed, at.membership, at.organization, NOW) is Verdict.VALID
    if at.kind == "User" or at.for_role:
        after = replace(at, generation=at.generation + 1)
        without = edited(renewed, forRole=None)
        assert validity(renewed, after.membership, at.organization, NOW) is not Verdict.VALID
        assert validity(without, after.membership, at.organization, NOW) is not Verdict.VALID
