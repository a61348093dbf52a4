"""A preview names the keys, fates and refusals of the webhook and of `tenure impact` for the same change."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.objects.builders import NOW, api_key, issued, membership, organization, with_status
from support.objects.handed_over import handed_over
from support.objects.reads import Reads
from support.objects.reviewed import change
from support.objects.snapshots import body_of, snapshot
from tenure.admission.gather import gather
from tenure.admission.reader import Context
from tenure.domain.admission.decide import decide
from tenure.domain.admission.decision import Decision
from tenure.domain.impact.compare import compare
from tenure.domain.impact.members import Impact
from tenure.domain.installation import DEFAULTS
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.roles import Role
from tenure.impact.schema import evaluate, find_transition_flaws
from tenure.impact.trees import read_trees
from tenure.viewmodel.preview import Fate, PreviewPage, installation_of, removal_preview, role_preview
from tenure.viewmodel.snapshot import Snapshot

ROLES = st.sampled_from(list(Role))
BOB = membership("bob")

assert evaluate("true")  # The parser raises Python's recursion limit at its first use, which Hypothesis watches.


@dataclass(frozen=True)
class Case:
    """A member with keys, and the role that they get; None removes them."""

    organization: Organization
    member: Membership
    others: tuple[Membership, ...]
    keys: tuple[ApiKey, ...]
    role: Role | None

    @property
    def snapshot(self) -> Snapshot:
        """What the caller lists."""
        return snapshot(self.organization, self.member, *self.others, *self.keys)

    def preview(self) -> PreviewPage:
        """What the command shows."""
        name = self.member.name
        return (
            removal_preview(self.snapshot, name) if self.role is None else role_preview(self.snapshot, name, self.role)
        )


@st.composite
def keys(draw: st.DrawFn, name: str, member: Membership, org: Organization) -> ApiKey:
    """A key in whichever state: never issued, working, revoked, expired, suspended, narrowed, approved."""
    key = api_key(
        name,
        membership=member.name,
        for_role=draw(st.none() | ROLES),
        suspended=draw(st.none() | st.just(True)),  # noqa: FBT003 - a value
        ttl=draw(st.sampled_from([None, "1h", "9999h"])),
        capabilities=draw(st.sampled_from([None, ["costs"]])),
        description=draw(st.sampled_from([None, "CI of infra"])),
        status={"observedGeneration": 1},
    )
    if not draw(st.booleans()):
        return key
    key = issued(key, member, org, membership_generation=member.metadata.generation - draw(st.sampled_from([0, 0, 1])))
    return handed_over(key, BOB) if draw(st.integers(0, 3)) == 0 else key


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A member of whichever role and kind, and a change."""
    kind = draw(st.sampled_from(["User", "User", "ServiceAccount"]))
    role = draw(ROLES)
    assume(kind == "User" or role is not Role.OWNER)
    policy = draw(st.sampled_from(["Warn", "RequireAcknowledgement", "Deny"]))
    rules = draw(st.sampled_from([None, {"requireExpiry": True}, {"maxPerMember": 1}, {"maxTTL": "2h"}]))
    denied = draw(st.sampled_from([None, [{"from": "*", "to": "Viewer"}]]))
    org = organization(keys=rules, role_changes={"whenKeysExist": policy, **({"deny": denied} if denied else {})})
    org = with_status(org, org.status.model_copy(update={"policy": DEFAULTS.policy(org)}))
    member = membership("alice", role=role, kind=kind, generation=3)
    others = (BOB, membership("olga", role="Owner")) if draw(st.booleans()) else (BOB,)
    held = tuple(draw(keys(f"key-{number}", member, org)) for number in range(draw(st.integers(0, 3))))
    seen = MembershipObservation(membership=member, organization=org, keys=list(held), now=NOW)
    counted = next(one.status for one in plan_membership(seen).actions if isinstance(one, UpdateStatus))
    new = draw(st.none() | ROLES)
    assume(new is not role and (kind == "User" or new is not Role.OWNER))
    return Case(org, with_status(member, counted), others, held, new)


async def judged(case: Case, acknowledgement: str | None) -> Decision:
    """What the webhook decides of the change, by what it reads in the cluster."""
    reads = Reads([case.organization], [case.member, *case.others], list(case.keys), granted={"*"})
    context = Context(reads, DEFAULTS, "tenure-system", request_seconds=60, now=lambda: NOW)  # type: ignore[arg-type]
    noted = {"tenure.dev/acknowledge-key-deletion": acknowledgement} if acknowledgement else None
    old, new = body_of(case.member), body_of(case.member, noted)
    for body in (old, new):
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key != "namespace"}
        body["metadata"] |= {"uid": case.member.metadata.uid, "generation": case.member.metadata.generation}
        body["status"] = case.member.status.model_dump(by_alias=True, mode="json", exclude_none=True)
    new["spec"] = {**new["spec"], "role": case.role.value if case.role else ""}
    return decide(await gather(context, change(Membership, old=old, new=new if case.role else None, dry_run=True)))


def foreseen(case: Case, folder: Path) -> Impact:
    """What `tenure impact --live` says of manifests in which the same change is made."""
    objects: list[Organization | Membership | ApiKey] = [case.organization, case.member, *case.others, *case.keys]
    before = [manifest(one) for one in objects]
    after = [body for body in before if case.role or body["metadata"]["name"] != "alice"]
    after = [
        {**body, "spec": {**body["spec"], "role": case.role and case.role.value}}
        if body["metadata"]["name"] == "alice"
        else body
        for body in after
    ]
    (folder / "before.yaml").write_text(yaml.safe_dump_all(before))
    (folder / "after.yaml").write_text(yaml.safe_dump_all(after))
    base, head = read_trees(str(folder / "before.yaml"), str(folder / "after.yaml"), "acme")
    cluster = case.snapshot.tree
    said = compare(
        cluster.over(base),
        head.over(cluster.without(base)),
        NOW,
        installation_of(case.organization),
        schema=find_transition_flaws,
    )
    (impact,) = said.members
    return impact


def manifest(one: Organization | Membership | ApiKey) -> dict[str, Any]:
    """An object as it stands in Git."""
    body = body_of(one)
    return {**body, "metadata": {name: body["metadata"][name] for name in ("name", "namespace")}}


@given(cases())
@settings(max_examples=60)
async def test_the_preview_the_webhook_and_impact_say_the_same(case: Case) -> None:
    page = case.preview()
    with TemporaryDirectory() as folder:
        impact = foreseen(case, Path(folder))
    assert page.names(Fate.REVOKED) == [*impact.revoked]
    assert page.names(Fate.REISSUED, Fate.ISSUED) == [*impact.reissued]
    assert page.names(Fate.KEPT) == [*impact.kept]
    assert (page.acknowledgement, page.refusals, page.remarks) == (
        impact.acknowledgement,
        impact.refusals,
        impact.remarks,
    )
    shown = {one.key.name: one.key_ids for one in page.keys if one.fate in (Fate.REVOKED, Fate.REISSUED)}
    assert shown == impact.key_ids

    plain, acknowledged = await judged(case, None), await judged(case, page.acknowledgement)
    assert plain.judgement.allowed != impact.is_refused
    assert acknowledged.judgement.allowed == (not page.refusals)
    ended = filter(None, acknowledged.judgement.audit["keys-ended"].split(", "))
    # For a warning the webhook takes the member's status, which lists no suspended keys.
    policy = case.organization.status.policy
    warns = case.role is None or policy is None or policy.when_keys_exist is WhenKeysExist.WARN
    unlisted = {key.name for key in case.keys if key.spec.suspended and warns}
    assert {*ended} - unlisted == {*page.names(Fate.REVOKED, Fate.REISSUED)} - unlisted
    if page.edit.patch is not None:
        assert page.edit.patch.get("metadata", {}).get("annotations", {}).get(
            "tenure.dev/acknowledge-key-deletion"
        ) == (page.acknowledgement or None)


def test_the_rules_in_force_count_and_not_only_the_organizations_own() -> None:
    org = organization()
    limits = DEFAULTS.policy(org).model_copy(update={"require_expiry": True})
    org = with_status(org, org.status.model_copy(update={"policy": limits}))
    member = membership("alice", role="Member")
    key = issued(api_key("laptop", membership="alice", for_role="Viewer"), member, org)
    page = role_preview(snapshot(org, member, key), "alice", Role.VIEWER)
    assert page.names(Fate.REVOKED) == ["laptop"], "it has no expiry, so it waits for one"
    loose = with_status(org, org.status.model_copy(update={"policy": DEFAULTS.policy(org)}))
    page = role_preview(replace(snapshot(loose, member, key)), "alice", Role.VIEWER)
    assert page.names(Fate.REISSUED) == ["laptop"]
