"""Which changes take an Owner away, and which Owners are left."""

from typing import Any

import pytest

from support.objects import manifests
from support.objects.builders import condition, membership, organization
from support.objects.reviewed import change
from tenure.domain.admission.last_owner import remaining_owners, takes_owner
from tenure.domain.resources import Membership
from tenure.domain.roles import Role

Body = manifests.Body

OWNED: Body = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}]}
GOING: Body = {"deletionTimestamp": "2027-02-22T08:30:00Z"}


def olga(role: str = "Owner", **metadata: Any) -> Body:
    body = manifests.member("olga", role)
    return {**body, "metadata": {**body["metadata"], **metadata}}


@pytest.mark.parametrize(
    ("old", "new", "takes"),
    [
        (None, olga(), False),
        (olga(), None, True),
        (olga("Member"), None, False),
        *((olga(), olga(role), role != Role.OWNER) for role in Role),
        *((olga(role), olga(), False) for role in Role),
        (olga(), olga(**OWNED), True),
        (olga(**OWNED), olga(), False),
        (olga(**OWNED), olga("Viewer"), True),
        (olga("Viewer"), olga("Viewer", **OWNED), False),
        (olga(**GOING), olga("Viewer", **GOING), False),
        (olga(**GOING), None, False),
    ],
)
def test_an_owner_who_is_there_is_taken_away(old: Body | None, new: Body | None, takes: bool) -> None:  # noqa: FBT001
    assert takes_owner(change(Membership, old=old, new=new)) is takes


def test_those_who_have_no_effect_or_may_go_unasked_are_not_left() -> None:
    leaving = membership("olga", role="Owner")
    others = {
        "stays": membership("stays", role="Owner"),
        "suspended": membership("suspended", role="Owner"),
        "going": membership("going", role="Owner", deleting=True),
        "elsewhere": membership("elsewhere", role="Owner", organization="other"),
        "no owner": membership("no-owner", role="Member"),
        "twice": membership(
            "twice", role="Owner", status={"conditions": [condition("Ready", "DuplicateSubject", holds=False)]}
        ),
        "waiting": membership(
            "waiting", role="Owner", status={"conditions": [condition("Ready", "OrganizationNotFound", holds=False)]}
        ),
    }
    acme = organization(suspended_members=["suspended"])
    left = remaining_owners([leaving, *others.values()], leaving, acme)
    assert [member.name for member in left] == ["stays", "waiting"]
