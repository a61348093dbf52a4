"""The page that shows a role change or a removal before it is made: which keys are revoked, reissued and kept."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.impact.compare import compare
from tenure.domain.impact.members import Impact
from tenure.domain.impact.tree import Address, Body, Identity, Tree
from tenure.domain.installation import DEFAULTS, Installation, Limits
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.roles import Role
from tenure.viewmodel.edits import Edit, change, deletion
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.keys import KeyRow, key_row
from tenure.viewmodel.snapshot import Snapshot


class Fate(StrEnum):
    """What a change does to a key."""

    REVOKED = "revoked"
    REISSUED = "reissued"
    ISSUED = "issued"
    """It waits for the new role, and gets its first token."""
    KEPT = "kept"


@dataclass(frozen=True)
class KeyFate:
    """A key, and what the change does to it.

    Attributes:
        key_ids: The public ids of the tokens that this is about. A rotated key has two.
        handed_over: Whether it is another member's key by now, so that only this member's former token is revoked.
    """

    fate: Fate
    key: KeyRow
    key_ids: str
    handed_over: bool = False

    @property
    def becomes(self) -> str:
        """What becomes of the key, in words."""
        return f"former token {self.fate.value}" if self.handed_over else self.fate.value


@dataclass(frozen=True)
class Verdict:
    """The answer of the cluster to the change, which it tried with the caller's rights and didn't store.

    Attributes:
        message: Why it would be rejected, or empty.
    """

    allowed: bool
    message: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreviewPage:
    """A role change or a removal.

    Attributes:
        to_role: The new role, or None if the member is removed.
        acknowledgement: The value of the annotation that acknowledges the keys, or None if none is needed.
        refusals: Why the webhook rejects the change even with the acknowledgement, as far as the objects tell.
        remarks: What else the change means.
        approvals: The changes of keys that are approved for the new role, which are made before `edit`.
        keepable: Names of the keys that can be approved for the new role, so that they get a new token.
        verdict: The cluster's answer to exactly these edits, or None if it wasn't asked.
    """

    namespace: str
    now: datetime
    member: str
    subject: str
    kind: SubjectKind
    from_role: Role
    to_role: Role | None
    when_keys_exist: WhenKeysExist
    keys: tuple[KeyFate, ...]
    acknowledgement: str | None
    refusals: tuple[str, ...]
    remarks: tuple[str, ...]
    edit: Edit
    approvals: tuple[Edit, ...] = ()
    keepable: tuple[str, ...] = ()
    verdict: Verdict | None = None

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All changes, in the order in which they are made."""
        return *self.approvals, self.edit

    def names(self, *fates: Fate) -> list[str]:
        """Return the names of the keys with one of these fates."""
        return sorted(one.key.name for one in self.keys if one.fate in fates)

    @property
    def handed_over(self) -> list[str]:
        """The names of the revoked keys that go on with another member's token."""
        return sorted(one.key.name for one in self.keys if one.handed_over)


def combined(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the first rejection of several changes, or else all warnings. None if there is no change."""
    rejected = next((verdict for verdict in verdicts if not verdict.allowed), None)
    warnings = tuple(dict.fromkeys(warning for verdict in verdicts for warning in verdict.warnings))
    return rejected or (Verdict(allowed=True, warnings=warnings) if verdicts else None)


def role_preview(snapshot: Snapshot, name: str, role: Role, keep: Collection[str] = ()) -> PreviewPage:
    """Return what a role change does, if some keys are approved for the new role, so that they get a new token.

    Raises:
        ViewError: there is no such member, the role change doesn't revoke a key to keep, or the caller may not list
            what decides about the keys.
    """
    member = snapshot.member(name)
    snapshot.require(ApiKey, Organization)
    if member.spec.role is role:
        raise ViewError(f"{name} is {role} already, so no key changes")
    plain = _impact(snapshot, _with_role(snapshot.tree, member, role))
    approved = [key.name for key in snapshot.keys if key.name in plain.reissued and key.name in plain.key_ids]
    keepable = tuple(one for one in (*plain.revoked, *approved) if snapshot.key(one).spec.membership == name)
    if wrong := sorted(set(keep) - set(keepable)):
        there = ", ".join(keepable) or "no key"
        raise ViewError(f"the change doesn't revoke {', '.join(wrong)}, so leave it out. It revokes: {there}")
    approvals = tuple(_approval(snapshot, snapshot.key(one), role) for one in sorted(set(keep) - set(approved)))
    # As if none of them were approved yet, so that the change stays the same while they are approved one by one.
    base = _with_approvals(snapshot.tree, keep, None)
    impact = _impact(snapshot, _with_role(_with_approvals(base, keep, role), member, role), base)
    annotations = {ANNOTATION: impact.acknowledgement} if impact.acknowledgement else None
    edit = change(
        snapshot,
        member,
        f"change the role from {member.spec.role} to {role}",
        {"role": role.value},
        annotations,
        revokes=bool(impact.revoked or impact.reissued),
        affected=sorted((*impact.revoked, *impact.reissued)),
    )
    return replace(_page(snapshot, member, impact, edit), approvals=approvals, keepable=tuple(sorted(keepable)))


def _approval(snapshot: Snapshot, key: ApiKey, role: Role) -> Edit:
    summary = f"approve it for {role}, so that it gets a new token (spec.forRole: {role})"
    return change(snapshot, key, summary, {"forRole": role.value})


def removal_preview(snapshot: Snapshot, name: str) -> PreviewPage:
    """Return what the removal of a member does.

    Raises:
        ViewError: there is no such member, or the caller may not list what decides about the keys.
    """
    member = snapshot.member(name)
    snapshot.require(ApiKey, Organization)
    address = Address(member.namespace, name)
    tree = snapshot.tree
    head = replace(
        tree,
        memberships={one: found for one, found in tree.memberships.items() if one != address},
        bodies={one: body for one, body in tree.bodies.items() if one != (Membership.kind, address)},
    )
    impact = _impact(snapshot, head)
    summary = f"remove {name} from the organization"
    edit = deletion(snapshot, member, summary, revokes=bool(impact.revoked), affected=impact.revoked)
    return _page(snapshot, member, impact, edit)


def installation_of(organization: Organization | None) -> Installation:
    """Return the installation's settings as far as an Organization's status tells the rules in force."""
    policy = organization.status.policy if organization else None
    if policy is None:
        return DEFAULTS
    return Installation(
        when_keys_exist=policy.when_keys_exist,
        max_per_member=policy.max_per_member or DEFAULTS.max_per_member,
        limits=Limits(require_expiry=policy.require_expiry, max_ttl=policy.max_ttl, max_overlap=policy.max_overlap),
    )


def _impact(snapshot: Snapshot, head: Tree, base: Tree | None = None) -> Impact:
    """Return the impact by the same decision as the webhook's and that of `tenure impact`."""
    installation = installation_of(snapshot.organization)
    # The cluster checks the schema itself when it tries the change.
    (impact,) = compare(
        _observed(base or snapshot.tree), head, snapshot.now, installation, schema=lambda *_: ()
    ).members
    return impact


def _observed(tree: Tree) -> Tree:
    """Return the tree with a status of each key. Without one, keys of manifests are assumed to be issued."""
    keys = {
        address: key
        if key.status.observed_generation >= 0
        else key.model_copy(update={"status": key.status.model_copy(update={"observed_generation": 0})})
        for address, key in tree.api_keys.items()
    }
    return replace(tree, api_keys=keys)


def _with_role(tree: Tree, member: Membership, role: Role) -> Tree:
    """Return the tree with another role of a member."""
    address = Address(member.namespace, member.name)
    changed = member.model_copy(update={"spec": member.spec.model_copy(update={"role": role})})
    return _with_spec(
        replace(tree, memberships={**tree.memberships, address: changed}), Membership, address, {"role": role.value}
    )


def _with_approvals(tree: Tree, names: Collection[str], role: Role | None) -> Tree:
    """Return the tree with keys that are approved for a role, or for none."""
    for address in [address for address in tree.api_keys if address.name in names]:
        key = tree.api_keys[address]
        changed = key.model_copy(update={"spec": key.spec.model_copy(update={"for_role": role})})
        keys = {**tree.api_keys, address: changed}
        tree = _with_spec(replace(tree, api_keys=keys), ApiKey, address, {"forRole": role and role.value})
    return tree


def _with_spec(tree: Tree, kind: type[Resource], address: Address, fields: Mapping[str, Any]) -> Tree:
    """Return the tree with other fields in the body of an object."""
    identity = (kind.kind, address)
    body = tree.bodies[identity]
    spec = {name: value for name, value in {**body["spec"], **fields}.items() if value is not None}
    bodies: Mapping[Identity, Body] = {**tree.bodies, identity: {**body, "spec": spec}}
    return replace(tree, bodies=bodies)


def _page(snapshot: Snapshot, member: Membership, impact: Impact, edit: Edit) -> PreviewPage:
    return PreviewPage(
        namespace=member.namespace,
        now=snapshot.now,
        member=member.name,
        subject=member.spec.subject.name,
        kind=member.spec.subject.kind,
        from_role=member.spec.role,
        to_role=impact.new_role,
        when_keys_exist=impact.when_keys_exist,
        keys=tuple(_fates(snapshot, impact)),
        acknowledgement=impact.acknowledgement,
        refusals=impact.refusals,
        remarks=impact.remarks,
        edit=edit,
    )


def _fates(snapshot: Snapshot, impact: Impact) -> Iterator[KeyFate]:
    groups = (
        (Fate.REVOKED, impact.revoked),
        (Fate.REISSUED, [name for name in impact.reissued if name in impact.key_ids]),
        (Fate.ISSUED, [name for name in impact.reissued if name not in impact.key_ids]),
        (Fate.KEPT, impact.kept),
    )
    for fate, names in groups:
        for name in names:
            row = key_row(snapshot, snapshot.key(name))
            handed_over = fate is Fate.REVOKED and impact.member.name not in {row.member, row.holder}
            yield KeyFate(fate, row, impact.key_ids.get(name, row.key_id or ""), handed_over)
