"""Nobody raises their own role, whatever they may grant to others; who may grant can lower their own, or leave."""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import pytest

from support import manifests, people
from support.client import Client, denial, fresh_namespace
from tenure.domain.roles import Role

if TYPE_CHECKING:
    from admission.conftest import Judged

BY_RANK = [Role.VIEWER, Role.ANALYST, Role.MEMBER, Role.OWNER]
SAM = "sam@acme.io"

CHANGES = [(old, new) for old, new in product(Role, repeat=2) if old is not new]
RAISES = [(old, new) for old, new in CHANGES if BY_RANK.index(new) > BY_RANK.index(old)]
LOWERS = [change for change in CHANGES if change not in RAISES]


def title(value: object) -> str:
    return str(value)


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Client]:
    """Give an organization in which sam may grant every role, and olga is an Owner."""
    with fresh_namespace(judged.plane) as client:
        subjects = [people.subject(SAM)]
        people.bind(judged.plane, client.namespace, "sam", subjects, people.plain(), people.granting(Role))
        people.wait_permitted(client, SAM, "grant-owner", "organizations")
        client.create("organizations", manifests.organization())
        client.create("memberships", manifests.member("olga", "Owner"))
        yield client


@pytest.fixture(params=["by grants", "as an administrator"])
def sam(acme: Client, request: pytest.FixtureRequest) -> Iterator[Client]:
    """Give the organization as sam sees it, who holds the grants by a Role or by being in system:masters."""
    client = acme.as_user(SAM, *(["system:masters"] if request.param == "as an administrator" else []))
    yield client
    client.close()
    if acme.get("memberships", "sam") is not None:
        acme.delete("memberships", "sam")


def role_of_sam(acme: Client) -> str | None:
    body = acme.get("memberships", "sam")
    return None if body is None else str(body["spec"]["role"])


def test_the_table_is_complete() -> None:
    assert (len(RAISES), len(LOWERS)) == (6, 6)


@pytest.mark.parametrize(("old", "new"), RAISES, ids=title)
def test_nobody_raises_their_own_role(acme: Client, sam: Client, old: Role, new: Role) -> None:
    acme.create("memberships", manifests.member("sam", old))
    change = {"spec": {"role": new}}
    message = denial(lambda: sam.patch("memberships", "sam", change))
    assert message == f"spec.role: {SAM} can't raise their own role; somebody else has to do it"
    assert role_of_sam(acme) == old
    acme.patch("memberships", "sam", change)
    assert role_of_sam(acme) == new


@pytest.mark.parametrize(("old", "new"), LOWERS, ids=title)
def test_who_may_grant_lowers_their_own_role(acme: Client, sam: Client, old: Role, new: Role) -> None:
    acme.create("memberships", manifests.member("sam", old))
    sam.patch("memberships", "sam", {"spec": {"role": new}})
    assert role_of_sam(acme) == new


@pytest.mark.parametrize("role", Role, ids=title)
def test_nobody_makes_themselves_a_member(acme: Client, sam: Client, role: Role) -> None:
    message = denial(lambda: sam.create("memberships", manifests.member("sam", role)))
    assert message == f"spec.role: {SAM} can't raise their own role; somebody else has to do it"
    assert role_of_sam(acme) is None


@pytest.mark.parametrize("role", Role, ids=title)
def test_who_may_grant_leaves(acme: Client, sam: Client, role: Role) -> None:
    acme.create("memberships", manifests.member("sam", role))
    sam.delete("memberships", "sam")
    assert role_of_sam(acme) is None


def test_leaving_and_coming_back_raises_nobody(acme: Client, sam: Client) -> None:
    acme.create("memberships", manifests.member("sam", Role.VIEWER))
    sam.delete("memberships", "sam")
    denial(lambda: sam.create("memberships", manifests.member("sam", Role.OWNER)))
    assert role_of_sam(acme) is None


def test_a_membership_under_another_name_is_ones_own_too(sam: Client) -> None:
    body = manifests.member("sam", Role.OWNER)
    denial(lambda: sam.create("memberships", {**body, "metadata": {"name": "somebody-else"}}))


def test_a_service_account_of_ones_own_name_is_somebody_else(acme: Client, sam: Client) -> None:
    sam.create("memberships", manifests.service_account("sam", Role.VIEWER))
    sam.patch("memberships", "sam", {"spec": {"role": Role.MEMBER}})
    assert role_of_sam(acme) == Role.MEMBER
