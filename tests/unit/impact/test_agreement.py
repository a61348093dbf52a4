"""What `tenure impact` says of a pull request is what the webhooks decide when it is applied: the same `decide`.

Here the cluster's evidence is gathered from what a namespace would hold; on a real API server some of the rows are
applied, in tests/admission/test_impact_agreement.py, which says where the two differ by nature.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.objects.builders import NOW, with_status
from support.objects.pull_requests import PULL_REQUESTS, Body, PullRequest, write
from support.objects.reads import Reads
from support.objects.reviewed import change
from tenure.admission.gather import gather
from tenure.admission.reader import Context
from tenure.domain.admission.decide import decide
from tenure.domain.admission.decision import Decision
from tenure.domain.admission.verdict import Judgement
from tenure.domain.impact.assumptions import grounded
from tenure.domain.impact.compare import Comparison, compare
from tenure.domain.impact.members import Impact
from tenure.domain.impact.tree import Address, Tree
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.impact.schema import find_transition_flaws
from tenure.impact.trees import read_trees

NAMESPACE = "acme"
ROWS = [one for one in PULL_REQUESTS if "limits" not in str(one.options)]


def installation(given: PullRequest) -> Installation:
    """What the command is told of the installation."""
    options = dict(zip(given.options[::2], given.options[1::2], strict=True))
    return replace(DEFAULTS, when_keys_exist=WhenKeysExist(options.get("--when-keys-exist", "Warn")))


class Cluster:
    """What a namespace holds once the tree before was applied, and the operator has issued and counted its keys."""

    def __init__(self, before: Tree) -> None:
        self.tree, _ = grounded(before, before, NOW, DEFAULTS)
        self.members: dict[Address, Membership] = {
            address: self._counted(address, member) for address, member in self.tree.memberships.items()
        }
        self.organizations = dict(self.tree.organizations)

    def _counted(self, address: Address, member: Membership) -> Membership:
        seen = MembershipObservation(
            membership=member,
            organization=self.tree.organization_of(member),
            keys=self.tree.keys_of(address),
            now=NOW,
        )
        updates = [action for action in plan_membership(seen).actions if isinstance(action, UpdateStatus)]
        return with_status(member, updates[0].status)

    @property
    def working(self) -> set[str]:
        """The keys that have a token."""
        return {key.name for key in self.tree.api_keys.values() if key.status.secret_name is not None}

    async def decide(self, asked: type[Resource], old: Body | None, new: Body | None) -> Decision:
        """What a write of a manifest meets."""
        reads = Reads(
            organizations=list(self.organizations.values()),
            memberships=list(self.members.values()),
            api_keys=list(self.tree.api_keys.values()),
            granted={"*"},
        )
        context = Context(reads, DEFAULTS, "tenure-system", request_seconds=60, now=lambda: NOW)  # type: ignore[arg-type]
        return decide(await gather(context, change(asked, old=self._stored(old), new=self._stored(new))))

    def _stored(self, body: Body | None) -> Body | None:
        if body is None:
            return None
        metadata = body["metadata"]
        kinds: dict[str, Mapping[Address, Any]] = {"Membership": self.members, "ApiKey": self.tree.api_keys}
        found = kinds.get(body["kind"], {}).get(Address(NAMESPACE, metadata["name"]))
        known = {"status": found.status.model_dump(by_alias=True, mode="json", exclude_none=True)} if found else {}
        return {**body, **known, "metadata": {**metadata, "uid": f"{body['kind']}/{metadata['name']}"}}


def changed(given: PullRequest, kind: type[Resource]) -> Iterator[tuple[Body | None, Body | None, Address]]:
    """The manifests of a kind that differ, before and after, in the order in which files are applied."""
    for file in sorted({*given.before, *given.after}):
        old, new = given.before.get(file), given.after.get(file)
        known = new or old or {}
        if old != new and known["kind"] == kind.kind:
            yield old, new, Address(NAMESPACE, known["metadata"]["name"])


async def apply_organizations(cluster: Cluster, given: PullRequest, head: Tree, said: Comparison) -> None:
    """Apply the Organization's file, which passes unless the command says that it is refused."""
    for old, new, address in changed(given, Organization):
        answer = (await cluster.decide(Organization, old, new)).judgement
        assert answer.allowed == (not any(gone.refusals for gone in said.removals))
        if answer.allowed:
            cluster.organizations.pop(address, None)
            cluster.organizations.update({address: head.organizations[address]} if new else {})


async def apply_member(cluster: Cluster, old: Body | None, new: Body | None, impact: Impact) -> Judgement:
    """Apply a Membership's file, which passes unless the command says that it is refused."""
    answer = (await cluster.decide(Membership, old, new)).judgement
    assert answer.allowed != impact.is_refused, answer.message
    for refusal in impact.refusals:
        is_last_owner = "must keep an Owner" in refusal
        is_renamed = "Make two commits" in refusal
        assert (OWN_WORDS[is_last_owner, is_renamed] or refusal) in answer.message
    return answer


OWN_WORDS = {
    (True, False): "is the only Owner of Organization acme",
    (False, True): "is already a member, with Membership",
    (False, False): "",
}
"""What the webhook says where the command has words of its own: of the last Owner, and of a renamed member."""


async def apply_keys(cluster: Cluster, given: PullRequest, said: Comparison) -> None:
    """Apply the ApiKeys' files, each of which passes unless the command says that it is refused."""
    changes = {change.key: change for change in said.keys}
    for old, new, address in changed(given, ApiKey):
        refusals = changes.pop(address).refusals
        if any("can't be changed" in refusal for refusal in refusals):
            continue  # The schema refuses that.
        answer = (await cluster.decide(ApiKey, old, new)).judgement
        assert answer.refusals == refusals
    assert changes == {}


@pytest.mark.parametrize("given", ROWS, ids=str)
async def test_verdict_and_keys_are_the_same_in_the_pull_request_and_in_the_cluster(
    given: PullRequest, tmp_path: Path
) -> None:
    write(tmp_path / "base", given.before)
    write(tmp_path / "head", given.after)
    write(tmp_path / "elsewhere", {f"{number}.yaml": body for number, body in enumerate(given.elsewhere)})
    base, head = read_trees(str(tmp_path / "base"), str(tmp_path / "head"), NAMESPACE, allow_empty=True)
    elsewhere, _ = read_trees(str(tmp_path / "elsewhere"), str(tmp_path / "head"), NAMESPACE, allow_empty=True)
    said = compare(base, head, NOW, installation(given), schema=find_transition_flaws)
    before = replace(base, api_keys=head.api_keys) if given.keys_first else base
    cluster = Cluster(before.over(elsewhere))
    foreseen = {impact.member: impact for impact in said.members}
    assert said.passes == (given.code == 0)

    await apply_organizations(cluster, given, head, said)
    for old, new, address in changed(given, Membership):
        impact = foreseen.pop(address)
        if "spec.subject: can't be changed" in str(impact.refusals):
            continue  # The schema refuses that.
        answer = await apply_member(cluster, old, new, impact)
        if old is not None and not given.keys_first:
            dying = set() if said.removals else {*impact.revoked, *impact.reissued} & cluster.working
            assert set(filter(None, answer.audit.get("keys-ended", "").split(", "))) == dying
        if answer.allowed:
            cluster.members.pop(address, None)
            cluster.members.update({address: head.memberships[address]} if new else {})
    assert foreseen == {}
    await apply_keys(cluster, given, said)
