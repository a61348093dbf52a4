"""The pages of members, keys and callers, as rows of plain data."""

from datetime import timedelta
from typing import Any

import pytest

from support.objects.builders import NOW, api_key, condition, issued, membership, organization, rotated, with_status
from support.objects.snapshots import ARGO, FLUX, HAND, body_of, snapshot
from tenure.domain.permissions import Requester
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import ObjectMeta, format_time
from tenure.domain.roles import Capability, Level
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.identity import can_page, whoami_page
from tenure.viewmodel.keys import keys_page
from tenure.viewmodel.managers import manager_of
from tenure.viewmodel.members import members_page
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import as_document

ORG = organization(suspended_members=["bob"])
ACTIVE = {"observedGeneration": 1, "conditions": [condition("Ready", "Active", holds=True)], "keyCount": 1}
ALICE, BOB = membership("alice", status=ACTIVE), membership("bob", role="Viewer", status=ACTIVE)
KNOWN = {"usageSince": format_time(NOW - timedelta(days=60)), "usageUntil": NOW.date().isoformat()}
NO_LIST = "you may not list it"


@pytest.mark.parametrize(
    ("managers", "metadata", "name", "by_hand"),
    [
        pytest.param(HAND, {}, "by hand", True, id="kubectl"),
        pytest.param([{"manager": "kubectl-tenure"}, {"manager": "tenure-console"}], {}, "by hand", True, id="ours"),
        pytest.param([*HAND, {"manager": "tenure", "subresource": "status"}], {}, "by hand", True, id="status"),
        pytest.param(ARGO, {}, "Argo CD", False, id="argo"),
        pytest.param(FLUX, {}, "Flux", False, id="flux"),
        pytest.param([{"manager": "helm"}], {}, "Helm", False, id="helm"),
        pytest.param(HAND, {"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD", False, id="mark"),
        pytest.param(HAND, {"labels": {"helm.toolkit.fluxcd.io/name": "x"}}, "Flux", False, id="flux-helm"),
        pytest.param([*HAND, {"manager": "pulumi"}], {}, "kubectl-create, pulumi", False, id="another program"),
        pytest.param([], {}, "unknown", False, id="nobody is known"),
    ],
)
def test_unknown_means_managed(managers: list[Any], metadata: dict[str, Any], name: str, *, by_hand: bool) -> None:
    body = body_of(ALICE, managers=managers)
    body["metadata"] |= {**metadata, "uid": "u", "resourceVersion": "1", "creationTimestamp": format_time(NOW)}
    found = manager_of(Membership.from_body(body).metadata, body)
    assert (found.name, found.by_hand) == (name, by_hand)
    assert isinstance(Membership.from_body(body).metadata, ObjectMeta)


def test_members_have_their_suspension_and_who_manages_them() -> None:
    page = members_page(snapshot(ORG, BOB, ALICE, managers=ARGO))
    assert [(row.name, row.role, row.keys, row.suspended, row.managed_by, row.state) for row in page.members] == [
        ("alice", "Member", 1, False, "Argo CD", "Active"),
        ("bob", "Viewer", 1, True, "Argo CD", "Active"),
    ]


@pytest.mark.parametrize(
    ("ready", "accepted", "state"),
    [
        ((True, "Active"), (False, "InvitationPending"), "InvitationPending"),
        ((True, "Active"), (True, "Accepted"), "Active"),
        ((False, "DuplicateSubject"), (False, "InvitationPending"), "DuplicateSubject"),
    ],
)
def test_a_member_who_has_not_accepted_is_not_active(
    ready: tuple[bool, str], accepted: tuple[bool, str], state: str
) -> None:
    found = {"Ready": ready, "Accepted": accepted}
    conditions = [condition(type_, reason, holds=holds) for type_, (holds, reason) in found.items()]
    zoe = membership("zoe", status={"observedGeneration": 1, "conditions": conditions})
    assert [row.state for row in members_page(snapshot(ORG, zoe)).members] == [state]


def test_what_the_caller_may_not_read_is_unknown_and_not_false() -> None:
    (row,) = members_page(snapshot(BOB, hidden={"organizations": NO_LIST})).members
    assert row.suspended is None
    with pytest.raises(ViewError, match=NO_LIST):
        members_page(snapshot(hidden={"memberships": NO_LIST}))
    with pytest.raises(ViewError, match=NO_LIST):
        keys_page(snapshot(ALICE, hidden={"apikeys": NO_LIST}))


def used(key: ApiKey, **status: Any) -> ApiKey:
    """A key with a recorded use."""
    return with_status(key, key.status.model_copy(update=status))


LAPTOP = issued(api_key("laptop", ttl="2160h", description="Alice's"), ALICE, ORG)
ROTATED = rotated(issued(api_key("ci-deploy"), ALICE, ORG), former="old-id")


@pytest.mark.parametrize(
    ("key", "known", "use", "unused"),
    [
        pytest.param(LAPTOP, False, "unknown", False, id="nobody records it"),
        pytest.param(LAPTOP, True, "not used since 2027-01-04", True, id="never"),
        pytest.param(used(LAPTOP, last_used=NOW.date()), True, "used today", False, id="today"),
        pytest.param(
            used(LAPTOP, last_used=(NOW - timedelta(days=40)).date()), True, "last used 2027-01-13", True, id="long ago"
        ),
        pytest.param(
            used(LAPTOP, last_used=(NOW - timedelta(days=40)).date()),
            False,
            "unknown since 2027-01-13",
            False,
            id="before the record broke off",
        ),
    ],
)
def test_unknown_is_never_unused(key: ApiKey, use: str, *, known: bool, unused: bool) -> None:
    org = organization(status={"observedGeneration": 1, **(KNOWN if known else {})})
    objects = (org, ALICE, key)
    (row,) = keys_page(snapshot(*objects)).keys
    assert row.use == use
    assert len(keys_page(snapshot(*objects), unused=True).keys) == unused


def test_unused_follows_the_organizations_rule() -> None:
    org = organization(keys={"unusedAfter": "2160h"}, status={"observedGeneration": 1, **KNOWN})
    assert keys_page(snapshot(org, ALICE, LAPTOP), unused=True).keys == ()


def test_keys_that_expire_soon() -> None:
    there = snapshot(ORG, ALICE, LAPTOP, ROTATED)
    assert [row.name for row in keys_page(there, expiring=timedelta(days=42)).keys] == ["laptop"]
    assert keys_page(there, expiring=timedelta(days=40)).keys == ()


def test_a_former_token_is_named() -> None:
    (row,) = keys_page(snapshot(ORG, ALICE, ROTATED), "alice").keys
    assert row.former is not None
    assert row.former.key_id == "old-id"
    document = as_document(row)
    assert (document["former"]["keyId"], document["issuedAt"]) == ("old-id", "2027-01-04T09:01:00Z")
    with pytest.raises(ViewError, match=r"no Membership 'nobody'.* There are: alice"):
        keys_page(snapshot(ORG, ALICE, ROTATED), "nobody")


def there(*members: Membership, org: Organization = ORG) -> Snapshot:
    """A namespace with a key of alice's."""
    return snapshot(org, *members, LAPTOP)


def test_a_caller_is_found_by_the_name_that_kubernetes_knows() -> None:
    prefixed = with_status(ALICE, ALICE.status.model_copy(update={"username": "oidc:alice@acme.io"}))
    for member, name in ((ALICE, "alice@acme.io"), (prefixed, "oidc:alice@acme.io")):
        (one,) = whoami_page(Requester(username=name), [there(member, BOB)], None).memberships
        assert (one.member, one.role, one.suspended) == ("alice", "Member", False)
        assert [key.name for key in one.keys or ()] == ["laptop"]
    assert whoami_page(Requester(username="alice@acme.io"), [there(prefixed)], None).memberships == ()
    robot = membership("ci", kind="ServiceAccount")
    assert whoami_page(Requester(username="ci"), [there(robot)], None).memberships == ()


@pytest.mark.parametrize(
    ("username", "capability", "level", "allowed", "reason"),
    [
        ("alice@acme.io", Capability.CLUSTERS, Level.FULL, True, "Member has Full for clusters (cluster management)"),
        (
            "alice@acme.io",
            Capability.BILLING,
            Level.FULL,
            False,
            "Member has View for billing (billing access). Full takes the role Owner. Ask an Owner for it",
        ),
        ("otto@acme.io", Capability.COSTS, Level.VIEW, False, "otto@acme.io has no Membership in namespace acme."),
        ("new@acme.io", Capability.COSTS, Level.VIEW, False, "isn't in force: the operator hasn't seen it yet"),
    ],
)
def test_can_says_why(username: str, capability: Capability, level: Level, reason: str, *, allowed: bool) -> None:
    page = can_page(there(ALICE, BOB, membership("new")), Requester(username=username), capability, level)
    assert page.allowed is allowed
    assert reason in page.reason
