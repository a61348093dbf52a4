"""One organization in a namespace of its own, its protection, and what its deletion meets."""

from typing import Any

import pytest

from support.objects import manifests
from support.objects.builders import membership, organization
from support.objects.reviewed import change
from tenure.domain.admission.organization_rules import (
    deletion_warning,
    lifted_suspension_warning,
    loosened_warnings,
    newly_suspended,
    placement_refusals,
    protection_refusal,
    suspension_warning,
    unknown_members_warning,
)
from tenure.domain.installation import DEFAULTS, Installation, Limits
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import Organization

Body = manifests.Body

ACME = manifests.organization()
SUSPENDED = manifests.organization(suspended=True)
OWNED = {**ACME, "metadata": {**ACME["metadata"], "ownerReferences": [{"kind": "ConfigMap", "name": "x", "uid": "1"}]}}


def suspending(*names: str) -> Body:
    return manifests.organization(suspendedMembers=[{"name": name} for name in names])


def counting(valid: int, **metadata: Any) -> Body:
    body = {**ACME, "metadata": {**ACME["metadata"], **metadata}}
    return {**body, "status": {"keys": {"valid": valid, "suspended": 5, "waiting": 5, "ended": 5}}}


@pytest.mark.parametrize(
    ("namespace", "refused"),
    [
        ("default", True),
        ("kube-system", True),
        ("kube-x", True),
        ("kube", False),
        ("kubernetes", False),
        ("tenure-system", True),
        ("tenure", False),
        ("acme", False),
    ],
)
def test_an_organization_is_created_in_a_namespace_of_its_own(namespace: str, refused: bool) -> None:  # noqa: FBT001
    said = list(placement_refusals(change(Organization, new=ACME, namespace=namespace), [], "tenure-system"))
    assert bool(said) is refused
    assert not said or f"can't be in {namespace}," in said[0]


def test_a_namespace_holds_one_organization() -> None:
    others = [organization("first"), organization("second")]
    (said,) = placement_refusals(change(Organization, new=ACME), others, "tenure-system")
    assert said.startswith("metadata.namespace: namespace acme already has Organization first")


def test_an_organization_that_exists_may_stay_where_it_is() -> None:
    asked = change(Organization, old=ACME, new=ACME, namespace="default")
    assert list(placement_refusals(asked, [organization("first")], "default")) == []


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (manifests.organization(deletionProtection=True), None, True),
        (manifests.organization(deletionProtection=False), None, False),
        (ACME, None, False),
        ({**OWNED, "metadata": ACME["metadata"], "spec": {"deletionProtection": True}}, OWNED, True),
        (manifests.organization(deletionProtection=True), ACME, False),
        (ACME, manifests.organization(deletionProtection=True), False),
    ],
    ids=["protected", "protected no more", "never protected", "handed over", "protection taken away", "protected now"],
)
def test_a_protected_organization_stays(old: Body, new: Body | None, refused: bool) -> None:  # noqa: FBT001
    assert (protection_refusal(change(Organization, old=old, new=new)) is not None) is refused


def test_a_protected_organization_that_is_going_already_may_go() -> None:
    body = manifests.organization(deletionProtection=True)
    body["metadata"]["deletionTimestamp"] = "2027-02-22T08:30:00Z"
    assert protection_refusal(change(Organization, old=body)) is None


@pytest.mark.parametrize(
    ("valid", "said"), [(0, None), (1, "revokes 1 API key."), (37, "revokes 37 API keys.")], ids=str
)
def test_a_deletion_warns_of_working_keys(valid: int, said: str | None) -> None:
    warning = deletion_warning(change(Organization, old=counting(valid)))
    assert (warning is None) is (said is None)
    assert said is None or said in str(warning)


def test_only_what_ends_keys_warns() -> None:
    assert deletion_warning(change(Organization, old=ACME)) is None
    assert deletion_warning(change(Organization, new=counting(3))) is None
    assert deletion_warning(change(Organization, old=counting(3), new=counting(3))) is None
    owners = OWNED["metadata"]["ownerReferences"]
    assert deletion_warning(change(Organization, old=counting(3), new=counting(3, ownerReferences=owners))) is not None


def test_those_who_are_suspended_by_a_change_are_found() -> None:
    asked = change(Organization, old=suspending("alice"), new=suspending("bob", "alice", "carol"))
    assert newly_suspended(asked) == ["bob", "carol"]
    assert newly_suspended(change(Organization, new=suspending("bob"))) == []
    assert newly_suspended(change(Organization, old=suspending("bob"))) == []


@pytest.mark.parametrize(
    ("old", "new", "lifted"),
    [
        (suspending("alice", "bob"), suspending("bob"), "alice"),
        (suspending("alice", "bob"), ACME, "alice, bob"),
        (suspending("alice"), suspending("bob"), "alice"),
        (manifests.organization(suspended=True), manifests.organization(suspended=False), "Organization acme"),
        (manifests.organization(suspended=True), ACME, "Organization acme"),
        (ACME, suspending("alice"), ""),
        (ACME, manifests.organization(suspended=True), ""),
        (suspending("alice"), suspending("alice"), ""),
        (None, ACME, ""),
        (suspending("alice"), None, ""),
    ],
    ids=str,
)
def test_a_suspension_that_is_lifted_warns(old: Body | None, new: Body | None, lifted: str) -> None:
    warning = lifted_suspension_warning(change(Organization, old=old, new=new))
    assert (warning is not None) is bool(lifted)
    assert warning is None or f"the suspension of {lifted} is lifted" in warning


STRICT = manifests.organization(roleChanges={"whenKeysExist": "Deny"})
MILD = manifests.organization(roleChanges={"whenKeysExist": "RequireAcknowledgement"})
PROTECTED = manifests.organization(deletionProtection=True)


@pytest.mark.parametrize(
    ("old", "new", "installation", "said"),
    [
        (PROTECTED, ACME, DEFAULTS, ["Organization acme is no longer protected against deletion."]),
        (PROTECTED, manifests.organization(deletionProtection=False), DEFAULTS, ["no longer protected"]),
        (STRICT, ACME, DEFAULTS, ["Deny -> Warn. A role change that revokes keys is allowed from now on, with a"]),
        (STRICT, MILD, DEFAULTS, ["Deny -> RequireAcknowledgement. ", "if it acknowledges them."]),
        (MILD, ACME, Installation(limits=Limits(when_keys_exist=WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT)), []),
        (STRICT, ACME, Installation(when_keys_exist=WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT), ["Deny -> Require"]),
        (MILD, STRICT, DEFAULTS, []),
        (ACME, PROTECTED, DEFAULTS, []),
        (PROTECTED, PROTECTED, DEFAULTS, []),
        (None, ACME, DEFAULTS, []),
        (PROTECTED, None, DEFAULTS, []),
    ],
    ids=str,
)
def test_a_protection_that_is_taken_away_warns(
    old: Body | None, new: Body | None, installation: Installation, said: list[str]
) -> None:
    told = " ".join(loosened_warnings(change(Organization, old=old, new=new), installation))
    assert bool(told) is bool(said)
    assert all(words in told for words in said)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (suspending("alice"), ACME, "work again."),
        (SUSPENDED, ACME, "work again."),
        (SUSPENDED, suspending("alice"), "work again, except those of alice (spec.suspendedMembers)."),
        (suspending("alice"), SUSPENDED, "work again as soon as spec.suspended is lifted too."),
    ],
    ids=str,
)
def test_a_lifted_suspension_says_which_keys_work(old: Body, new: Body, words: str) -> None:
    warning = lifted_suspension_warning(change(Organization, old=old, new=new))
    assert warning is not None
    assert warning.endswith(words)


def test_suspending_a_name_that_is_no_member_warns() -> None:
    warning = unknown_members_warning(["alicia"])
    assert warning is not None
    assert warning.startswith("spec.suspendedMembers: there is no Membership alicia")
    assert unknown_members_warning([]) is None


@pytest.mark.parametrize(
    ("suspended", "warns"),
    [((), False), (("olga",), False), (("olga", "omar"), True), (("omar", "olga", "mia"), True), (("mia",), False)],
    ids=str,
)
def test_suspending_every_owner_warns(suspended: tuple[str, ...], warns: bool) -> None:  # noqa: FBT001
    acme = organization(suspended_members=suspended)
    owners = [membership(name, role="Owner") for name in ("olga", "omar")]
    warning = suspension_warning(acme, owners)
    assert (warning is not None) is warns
    assert warning is None or warning.endswith("olga, omar")
    assert suspension_warning(acme, []) is None
