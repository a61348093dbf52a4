"""What is read for a decision: no more than its rules rest on, side by side where nothing depends on the other."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.objects import manifests
from support.objects.builders import NOW, api_key, condition, edited, issued, membership, organization
from support.objects.handed_over import handed_over
from support.objects.reads import Reads
from support.objects.reviewed import ROOT, change
from tenure.admission.gather import gather
from tenure.admission.reader import Context
from tenure.domain.admission.decide import decide
from tenure.domain.admission.evidence import MembershipEvidence
from tenure.domain.admission.key_evidence import ApiKeyEvidence
from tenure.domain.admission.request import Change
from tenure.domain.installation import DEFAULTS
from tenure.domain.lease import Lease
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.errors import UnavailableError

Body = manifests.Body

ALICE = "alice@acme.io"
MANY_KEYS: Body = {"keyCount": 60, "keys": []}
OWNED: Body = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}]}
LABELLED: Body = {"labels": {"team": "core"}}

GET_ACME, GET_ALICE, GET_OLGA = "get Organization/acme", "get Membership/alice", "get Membership/olga"
LIST_KEYS, LIST_OWNERS = "list ApiKey spec.membership=alice", "list Membership spec.role=Owner"
LIST_TOKENS = (
    LIST_KEYS,
    "list ApiKey status.issued.membership=alice",
    "list ApiKey status.previous.issued.membership=alice",
)
GRANT = "ask grant-{} on organizations.tenure.dev/acme in namespace acme".format
DELETE = "ask delete on {} in namespace acme".format
REVOKE = "ask revoke on apikeys.tenure.dev/laptop in namespace acme"
OWNER_GOES = ("list ApiKey status.subjectKind=ServiceAccount", "read lease", LIST_OWNERS)
DEMOTION = (GET_ACME, GRANT("member"), GRANT("viewer"))

ACME = organization()
ASKS = organization(role_changes={"whenKeysExist": "RequireAcknowledgement"})
DENIES = organization(role_changes={"deny": [{"from": "*", "to": "Owner"}]})
RECORDS = organization(status={"usageSince": "2026-01-01T00:00:00Z", "usageUntil": "2100-01-01"})
COUNTS = organization(keys={"maxPerMember": 2})
SUSPENDS = organization(suspended_members=["alice"])
GOING = organization(deleting=True)
OLGA = membership("olga", role="Owner")
OLGA_BODY = manifests.member("olga", "Analyst")

NOTHING: frozenset[str] = frozenset()


def alice(role: str = "Member", **metadata: Any) -> Body:
    body = manifests.member("alice", role)
    return {**body, "metadata": {**body["metadata"], **metadata}}


def with_key(body: Body) -> Body:
    """A member of whom the status lists all keys, which is one."""
    listed = {"name": "laptop", "keyId": "8fK2mQ7xLw3Z", "access": "Full"}
    return {**body, "status": {"keyCount": 1, "keys": [listed]}}


def robot(role: str = "Member") -> Body:
    return {**manifests.service_account("alice", role), "status": MANY_KEYS}


def acme(spec: Body | None = None, **metadata: Any) -> Body:
    body = manifests.organization(**(spec or {}))
    return {**body, "metadata": {**body["metadata"], **metadata}}


def laptop(holder: str = "alice", spec: Body | None = None, **metadata: Any) -> Body:
    body = manifests.api_key("laptop", holder, **(spec or {}))
    return {**body, "metadata": {**body["metadata"], **metadata}}


@dataclass(frozen=True)
class Row:
    """A change, what is read for it, and how often an answer is waited for."""

    kind: type[Any]
    old: Body | None
    new: Body | None
    reads: tuple[str, ...]
    rounds: int
    by: str = ROOT
    organization: Organization | None = ACME
    members: tuple[Membership, ...] = (membership("alice"), OLGA)
    granted: frozenset[str] = frozenset("*")

    @property
    def change(self) -> Change[Any]:
        return change(self.kind, old=self.old, new=self.new, username=self.by)

    def namespace(self) -> Reads:
        organizations = [self.organization] if self.organization else []
        return Reads(organizations=organizations, memberships=self.members, granted=self.granted)


ROWS = {
    "Organization: new": Row(Organization, None, acme(), ("list Organization",), 1),
    "Organization: labels": Row(Organization, acme(), acme(**LABELLED), (), 0),
    "Organization: name": Row(Organization, acme(), acme({"displayName": "X"}), (), 0),
    "Organization: a suspension": Row(
        Organization, acme(), acme({"suspendedMembers": [{"name": "olga"}]}), (GET_OLGA, LIST_OWNERS), 1
    ),
    "Organization: invitations": Row(
        Organization, acme(), acme({"invitations": {"mode": "Notify"}}), ("read lease",), 1
    ),
    "Organization: another contact for invitations": Row(
        Organization,
        acme({"invitations": {"mode": "Notify"}}),
        acme({"invitations": {"mode": "Notify", "contact": "ops@acme.io"}}),
        (),
        0,
    ),
    "Organization: deletion": Row(Organization, acme(), None, (), 0),
    "Organization: an ownerReference": Row(
        Organization, acme(), acme(**OWNED), (DELETE("organizations.tenure.dev/acme"),), 1
    ),
    "Membership: new": Row(Membership, None, alice(), (GET_ACME, GRANT("member"), "list Membership", LIST_KEYS), 2),
    "Membership: new, without the grant": Row(
        Membership, None, alice(), (GET_ACME, GRANT("member"), "list Membership"), 2, granted=NOTHING
    ),
    "Membership: unchanged": Row(Membership, alice(), alice(), (), 0),
    "Membership: labels": Row(Membership, alice(), alice(**LABELLED), (GRANT("member"),), 1),
    "Membership: role, with a warning at most": Row(Membership, alice(), alice("Viewer"), DEMOTION, 1),
    "Membership: role, where keys are acknowledged": Row(
        Membership, alice(), alice("Viewer"), (*DEMOTION, *LIST_TOKENS), 2, organization=ASKS
    ),
    "Membership: role, of a suspended member": Row(
        Membership, alice(), alice("Viewer"), (*DEMOTION, *LIST_TOKENS), 2, organization=SUSPENDS
    ),
    "Membership: role, where the use of keys is known": Row(
        Membership, with_key(alice()), with_key(alice("Viewer")), (*DEMOTION, *LIST_TOKENS), 2, organization=RECORDS
    ),
    "Membership: role, where the use of keys is known and there are none": Row(
        Membership, alice(), alice("Viewer"), DEMOTION, 1, organization=RECORDS
    ),
    "Membership: role, of more keys than the status lists": Row(
        Membership, robot(), robot("Viewer"), (*DEMOTION, *LIST_TOKENS), 2
    ),
    "Membership: role, without the grant": Row(
        Membership, alice(), alice("Viewer"), DEMOTION, 1, organization=ASKS, granted=NOTHING
    ),
    "Membership: one's own raise": Row(
        Membership, alice(), alice("Owner"), (GET_ACME, GRANT("member"), GRANT("owner")), 1, ALICE, organization=ASKS
    ),
    "Membership: role, without an organization": Row(
        Membership, alice(), alice("Viewer"), DEMOTION, 1, organization=None
    ),
    "Membership: the first Owner, whom a rule denies": Row(
        Membership,
        alice(),
        alice("Owner"),
        (GET_ACME, GRANT("member"), GRANT("owner"), "read lease", LIST_OWNERS),
        3,
        organization=DENIES,
    ),
    "Membership: removal": Row(Membership, alice(), None, (GET_ACME, GRANT("member")), 1),
    "Membership: removal, where keys are acknowledged": Row(
        Membership, alice(), None, (GET_ACME, GRANT("member")), 1, organization=ASKS
    ),
    "Membership: an ownerReference": Row(
        Membership,
        alice(),
        alice(**OWNED),
        (GET_ACME, GRANT("member"), DELETE("memberships.tenure.dev/alice")),
        1,
    ),
    "Membership: an Owner goes": Row(Membership, alice("Owner"), None, (GET_ACME, GRANT("owner"), *OWNER_GOES), 3),
    "Membership: an Owner steps down, where keys are acknowledged": Row(
        Membership,
        alice("Owner"),
        alice("Viewer"),
        (GET_ACME, GRANT("owner"), GRANT("viewer"), *OWNER_GOES, *LIST_TOKENS),
        3,
        organization=ASKS,
    ),
    "Membership: the last Owner goes": Row(
        Membership,
        alice("Owner"),
        None,
        (GET_ACME, GRANT("owner"), *OWNER_GOES, "read /api/v1/namespaces/acme"),
        4,
        members=(),
    ),
    "Membership: an Owner goes with the organization": Row(
        Membership, alice("Owner"), None, (GET_ACME, GRANT("owner"), OWNER_GOES[0]), 2, organization=GOING
    ),
    "ApiKey: one's own": Row(ApiKey, None, laptop(), (GET_ALICE, GET_ACME, LIST_KEYS), 3, ALICE),
    "ApiKey: somebody else's, under the default limit": Row(
        ApiKey, None, laptop(), (GET_ALICE, GET_ACME, GRANT("member")), 3
    ),
    "ApiKey: one's own, where they are counted": Row(
        ApiKey, None, laptop(), (GET_ALICE, GET_ACME, LIST_KEYS), 3, ALICE, organization=COUNTS
    ),
    "ApiKey: one's own, suspended": Row(
        ApiKey, laptop(), laptop(spec={"suspended": True}), (GET_ALICE, GET_ACME), 2, ALICE
    ),
    "ApiKey: one's own, a suspension lifted": Row(
        ApiKey, laptop(spec={"suspended": True}), laptop(), (GET_ALICE, GET_ACME, GRANT("member")), 3, ALICE
    ),
    "ApiKey: approved for a role": Row(
        ApiKey,
        laptop(spec={"forRole": "Owner"}),
        laptop(spec={"forRole": "Viewer"}),
        (GET_ALICE, GET_ACME, *map(GRANT, ("member", "owner", "viewer"))),
        3,
    ),
    "ApiKey: unchanged": Row(ApiKey, laptop(), laptop(), (), 0),
    "ApiKey: labels": Row(ApiKey, laptop(), laptop(**LABELLED), (GET_ALICE, GET_ACME, GRANT("member")), 3),
    "ApiKey: labels on one's own": Row(ApiKey, laptop(), laptop(**LABELLED), (GET_ALICE, GET_ACME), 2, ALICE),
    "ApiKey: an ownerReference beside labels": Row(
        ApiKey,
        laptop(),
        laptop(**LABELLED, **OWNED),
        (GET_ALICE, GET_ACME, GRANT("member"), DELETE("apikeys.tenure.dev/laptop")),
        3,
    ),
    "ApiKey: somebody else's": Row(
        ApiKey, None, laptop(), (GET_ALICE, GET_ACME, GRANT("member"), LIST_KEYS), 4, organization=COUNTS
    ),
    "ApiKey: somebody else's, without the grant": Row(
        ApiKey, None, laptop(), (GET_ALICE, GET_ACME, GRANT("member")), 3, organization=COUNTS, granted=NOTHING
    ),
    "ApiKey: of nobody": Row(
        ApiKey,
        None,
        laptop("nobody"),
        (
            "get Membership/nobody",
            "list Organization",
            *map(GRANT, ("owner", "member", "analyst", "viewer")),
        ),
        3,
    ),
    "ApiKey: one's own goes": Row(ApiKey, laptop(), None, (GET_ALICE, GET_ACME), 2, ALICE),
    "ApiKey: goes by the right to revoke": Row(ApiKey, laptop(), None, (GET_ALICE, GET_ACME, REVOKE), 3),
    "ApiKey: goes by the grant": Row(
        ApiKey, laptop(), None, (GET_ALICE, GET_ACME, REVOKE, GRANT("member")), 4, granted=NOTHING
    ),
    "ApiKey: changes": Row(ApiKey, laptop(), laptop(spec={"revision": 2}), (GET_ALICE, GET_ACME, GRANT("member")), 3),
    "ApiKey: handed over": Row(
        ApiKey, laptop(), laptop("olga"), (GET_ALICE, GET_OLGA, GET_ACME, GRANT("member"), GRANT("owner")), 3
    ),
    "ApiKey: handed over by its holder": Row(
        ApiKey, laptop(), laptop("olga"), (GET_ALICE, GET_OLGA, GET_ACME, GRANT("owner")), 3, ALICE
    ),
    "ApiKey: handed over where keys are counted": Row(
        ApiKey,
        laptop(),
        laptop("olga"),
        (GET_ALICE, GET_OLGA, GET_ACME, GRANT("member"), GRANT("owner"), "list ApiKey spec.membership=olga"),
        4,
        organization=COUNTS,
    ),
    "ApiKey: an ownerReference": Row(
        ApiKey,
        laptop(),
        laptop(**OWNED),
        (GET_ALICE, GET_ACME, REVOKE, DELETE("apikeys.tenure.dev/laptop")),
        3,
    ),
    "ApiKey: an ownerReference beside a change": Row(
        ApiKey,
        laptop(),
        laptop(spec={"revision": 2}, **OWNED),
        (GET_ALICE, GET_ACME, GRANT("member"), DELETE("apikeys.tenure.dev/laptop")),
        3,
    ),
}


def context(reads: Reads) -> Context:
    return Context(reads, DEFAULTS, "tenure-system", request_seconds=60, now=lambda: NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_nothing_is_read_that_no_rule_rests_on(row: Row) -> None:
    reads = row.namespace()
    evidence = await gather(context(reads), row.change)
    assert sorted(reads.made) == sorted(row.reads)
    assert reads.rounds == row.rounds
    assert reads.written == []
    decide(evidence)  # It lacks nothing.


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_whichever_read_fails_there_is_no_evidence(row: Row) -> None:
    for what in row.reads:
        reads = row.namespace()
        reads.fails, reads.error = what, UnavailableError("away")
        with pytest.raises(UnavailableError, match="away"):
            await gather(context(reads), row.change)


async def test_a_key_that_was_handed_over_is_read_once_for_each_member() -> None:
    laptop = issued(api_key("laptop"), membership("alice"), ACME)
    given, pending = handed_over(laptop, OLGA), edited(issued(api_key("pending"), membership("alice"), ACME))
    keys = [given, edited(pending, membership="olga"), issued(api_key("other", membership="olga"), OLGA, ACME)]
    of_olga = ["laptop", "other", "pending"]
    for name, old, names in (("alice", alice(), ["laptop", "pending"]), ("olga", OLGA_BODY, of_olga)):
        reads = Reads(organizations=[ASKS], memberships=[membership(name)], api_keys=keys, granted={"*"})
        new = {**old, "spec": {**old["spec"], "role": "Viewer"}}
        evidence = await gather(context(reads), change(Membership, old=old, new=new))
        assert isinstance(evidence, MembershipEvidence)
        assert sorted(key.name for key in evidence.keys or ()) == names


async def test_the_members_of_all_tokens_of_a_key_are_read_when_it_changes() -> None:
    key = handed_over(issued(api_key("laptop"), membership("alice"), ACME), OLGA)
    stored = key.model_dump(by_alias=True, mode="json", exclude_none=True)
    old = {"metadata": {"name": "laptop"}, "spec": stored["spec"], "status": stored["status"]}
    read = {"get Membership/alice", GET_OLGA}
    for new, reads_made in (({**old, "spec": {**old["spec"], "suspended": True}}, read), (None, {GET_OLGA})):
        reads = Reads(organizations=[ACME], memberships=[membership("alice"), OLGA], api_keys=[key], granted={"*"})
        evidence = await gather(context(reads), change(ApiKey, old=old, new=new))
        assert {one for one in reads.made if one.startswith("get Membership/")} == reads_made
        assert isinstance(evidence, ApiKeyEvidence)
        assert [*evidence.others] == (["alice"] if new else [])


async def test_the_lease_is_read_before_the_owners_and_the_clock_before_both() -> None:
    reads = Reads(organizations=[ACME], memberships=[OLGA], granted={"*"})
    clock = iter(NOW + timedelta(seconds=second) for second in range(10))

    def now() -> datetime:
        reads.made.append("clock")
        return next(clock)

    watched = Context(reads, DEFAULTS, "tenure-system", 60, now=now)  # type: ignore[arg-type]
    evidence = await gather(watched, change(Membership, old=alice("Owner")))
    assert evidence.now == NOW
    order = [reads.made.index(what) for what in ("clock", "read lease", LIST_OWNERS)]
    assert order == sorted(order)


async def departure(**namespace: Any) -> MembershipEvidence:
    """What is read where alice, an Owner, goes."""
    reads = Reads(organizations=[ACME], granted={"*"}, **namespace)
    evidence = await gather(context(reads), change(Membership, old=alice("Owner")))
    assert isinstance(evidence, MembershipEvidence)
    return evidence


async def test_what_is_read_is_the_evidence() -> None:
    lease = Lease("tenure-system", "tenure-owners-acme", "uid", "7", NOW, 70, resource_version="41")
    statuses = [
        {"conditions": [condition("Ready", reason, holds=holds)], "subjectKind": kind}
        for reason, holds, kind in (
            ("Issued", True, "ServiceAccount"),
            ("Suspended", False, "ServiceAccount"),
            ("Issued", True, "User"),
        )
    ]
    keys = [api_key(f"key-{number}", membership="ci", status=status) for number, status in enumerate(statuses)]
    evidence = await departure(memberships=[OLGA, membership("mia")], api_keys=keys, lease=lease, terminating=True)
    assert evidence.organization == evidence.issuer == ACME
    assert evidence.owners == [OLGA]
    assert evidence.service_account_keys == 1
    assert evidence.lease is not None
    assert (evidence.lease.holder, evidence.lease.held_version) == ("uid", "7")
    assert evidence.namespace_terminating is None


@pytest.mark.parametrize("terminating", [False, True], ids=["it stays", "it goes"])
async def test_where_no_owner_is_left_the_namespace_is_looked_at(terminating: bool) -> None:  # noqa: FBT001
    evidence = await departure(memberships=[membership("mia")], terminating=terminating)
    assert (evidence.owners, evidence.namespace_terminating) == ([], terminating)
