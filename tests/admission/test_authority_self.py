"""Nobody raises their own role, whatever they may grant to others; who may grant can lower their own, or leave."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from support.api.client import Client, denial, fresh_namespace
from support.cluster import people
from support.objects import manifests
from tenure.domain.roles import Role

if TYPE_CHECKING:
    from admission.conftest import Judged

SAM = "sam@acme.io"
RAISES_ITSELF = (
    f"spec.role: {SAM} can't raise their own role. Ask an Owner or a cluster administrator to make this change."
)


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


@pytest.fixture
def sam(acme: Client) -> Iterator[Client]:
    """Give the organization as sam sees it, and no Membership of sam's before and afterwards."""
    client = acme.as_user(SAM)
    yield client
    client.close()
    if role_of_sam(acme) is not None:
        acme.delete("memberships", "sam")


def role_of_sam(acme: Client) -> str | None:
    body = acme.get("memberships", "sam")
    return None if body is None else str(body["spec"]["role"])


@pytest.mark.parametrize("groups", [(), ("system:masters",)], ids=["by grants", "as an administrator"])
def test_nobody_raises_their_own_role(acme: Client, sam: Client, groups: Sequence[str]) -> None:
    acme.create("memberships", manifests.member("sam", Role.VIEWER))
    change, seen = {"spec": {"role": Role.OWNER}}, sam.as_user(SAM, *groups)
    assert denial(lambda: seen.patch("memberships", "sam", change)) == RAISES_ITSELF
    assert role_of_sam(acme) == Role.VIEWER
    acme.patch("memberships", "sam", change)
    assert role_of_sam(acme) == Role.OWNER
    seen.close()


def test_who_may_grant_lowers_their_own_role(acme: Client, sam: Client) -> None:
    acme.create("memberships", manifests.member("sam", Role.OWNER))
    sam.patch("memberships", "sam", {"spec": {"role": Role.MEMBER}})
    assert role_of_sam(acme) == Role.MEMBER


def test_leaving_and_coming_back_raises_nobody(acme: Client, sam: Client) -> None:
    acme.create("memberships", manifests.member("sam", Role.VIEWER))
    sam.delete("memberships", "sam")
    assert role_of_sam(acme) is None
    assert denial(lambda: sam.create("memberships", manifests.member("sam", Role.VIEWER))) == RAISES_ITSELF
    assert role_of_sam(acme) is None


def test_a_membership_under_another_name_is_ones_own_too(sam: Client) -> None:
    body = manifests.member("sam", Role.OWNER)
    renamed = {**body, "metadata": {"name": "somebody-else"}}
    assert denial(lambda: sam.create("memberships", renamed)) == RAISES_ITSELF


def test_a_service_account_of_ones_own_name_is_somebody_else(acme: Client, sam: Client) -> None:
    sam.create("memberships", manifests.service_account("sam", Role.VIEWER))
    sam.patch("memberships", "sam", {"spec": {"role": Role.MEMBER}})
    assert role_of_sam(acme) == Role.MEMBER
