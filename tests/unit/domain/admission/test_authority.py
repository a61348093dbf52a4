"""The grants that a change needs, whose own it is, and what whoever lacks them is told."""

from itertools import product

import pytest

from support.objects import manifests
from support.objects.builders import api_key, membership
from support.objects.reviewed import change
from tenure.domain.admission.authority import api_key_grants, explain_missing, is_own, membership_grants, raises_itself
from tenure.domain.installation import Installation
from tenure.domain.permissions import Requester, deletion, grant, revocation
from tenure.domain.resources import Membership
from tenure.domain.roles import Role

BY_RANK = [Role.VIEWER, Role.ANALYST, Role.MEMBER, Role.OWNER]
ALICE = "alice@acme.io"
PLAIN, PREFIXED = Installation(), Installation(username_prefix="oidc:")

GRANTS = {
    Role.OWNER: "grant-owner on organizations.tenure.dev/acme in namespace acme",
    Role.MEMBER: "grant-member on organizations.tenure.dev/acme in namespace acme",
    Role.ANALYST: "grant-analyst on organizations.tenure.dev/acme in namespace acme",
    Role.VIEWER: "grant-viewer on organizations.tenure.dev/acme in namespace acme",
}


@pytest.mark.parametrize(("role", "text"), GRANTS.items())
def test_a_grant_is_a_verb_on_the_organization(role: Role, text: str) -> None:
    assert str(grant(role, "acme", "acme")) == text


def test_a_permission_says_how_to_ask_for_it() -> None:
    assert grant(Role.VIEWER, "ns", "acme").question == (
        "kubectl auth can-i grant-viewer organizations.tenure.dev/acme -n ns"
    )
    assert grant(Role.VIEWER, "ns", "").question == "kubectl auth can-i grant-viewer organizations.tenure.dev -n ns"
    assert revocation(api_key("laptop")).question == "kubectl auth can-i revoke apikeys.tenure.dev/laptop -n acme"
    assert deletion(membership("alice")).question == "kubectl auth can-i delete memberships.tenure.dev/alice -n acme"


@pytest.mark.parametrize(
    ("old", "new"), [steps for steps in product([None, *Role], repeat=2) if steps != (None, None)], ids=str
)
def test_a_change_of_a_membership_needs_the_grants_of_both_roles(old: Role | None, new: Role | None) -> None:
    before = None if old is None else manifests.member("alice", old)
    after = None if new is None else manifests.member("alice", new)
    needed = membership_grants(change(Membership, old=before, new=after))
    assert {str(one) for one in needed} == {GRANTS[role] for role in (old, new) if role is not None}
    assert len(needed) == len(set(needed))


@pytest.mark.parametrize("role", Role)
def test_a_key_needs_the_grant_of_its_members_role(role: Role) -> None:
    needed = api_key_grants("acme", membership(role=role), "acme")
    assert [str(one) for one in needed] == [GRANTS[role]]


def test_a_key_of_an_unknown_member_needs_all_grants() -> None:
    assert [str(one) for one in api_key_grants("acme", None, "acme")] == [GRANTS[role] for role in Role]


@pytest.mark.parametrize(
    ("username", "installation", "own"),
    [
        (ALICE, PLAIN, True),
        (f"oidc:{ALICE}", PREFIXED, True),
        (ALICE, PREFIXED, False),
        (f"oidc:{ALICE}", PLAIN, False),
        ("Alice@acme.io", PLAIN, False),
        (f"{ALICE} ", PLAIN, False),
        (f"oidc:oidc:{ALICE}", PREFIXED, False),
        ("", PLAIN, False),
    ],
)
def test_a_membership_is_ones_own_by_the_very_name(username: str, installation: Installation, own: bool) -> None:  # noqa: FBT001
    assert is_own(Requester(username=username), membership("alice"), installation) is own


def test_neither_a_service_accounts_membership_nor_none_is_anybodys_own() -> None:
    requester = Requester(username="ci")
    assert not is_own(requester, membership("ci", kind="ServiceAccount"), PLAIN)
    assert not is_own(requester, None, PLAIN)


@pytest.mark.parametrize(("old", "new"), list(product([None, *Role], Role)), ids=str)
def test_whoever_gets_more_by_their_own_hand_raises_themselves(old: Role | None, new: Role) -> None:
    before = None if old is None else manifests.member("alice", old)
    asked = change(Membership, old=before, new=manifests.member("alice", new), username=ALICE)
    shouted = change(Membership, old=before, new=manifests.member("alice", new), username="Alice@ACME.io")
    raises = old is None or BY_RANK.index(new) > BY_RANK.index(old)
    assert raises_itself(asked, PLAIN) is raises_itself(shouted, PLAIN) is raises
    assert not raises_itself(asked, PREFIXED)


@pytest.mark.parametrize("role", Role)
def test_whoever_leaves_raises_nobody(role: Role) -> None:
    asked = change(Membership, old=manifests.member("alice", role), username=ALICE)
    assert not raises_itself(asked, PLAIN)


def test_whoever_lacks_grants_is_told_all_of_them_and_what_to_do() -> None:
    missing = [grant(role, "acme", "acme") for role in (Role.OWNER, Role.VIEWER)]
    assert explain_missing(Requester(username=ALICE), missing, "spec.role") == (
        "spec.role: alice@acme.io lacks grant-owner, grant-viewer on organizations.tenure.dev/acme in namespace acme. "
        "Ask an Owner to make this change, or a cluster administrator to give you the permission. To check, run: "
        "kubectl auth can-i grant-owner organizations.tenure.dev/acme -n acme"
    )
