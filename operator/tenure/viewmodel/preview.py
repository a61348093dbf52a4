"""The page that shows a role change or a removal before it is made: which keys are revoked, reissued and kept."""

from collections.abc import Iterator, Mapping
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
from tenure.domain.resources import ApiKey, Membership, Organization
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
    """

    fate: Fate
    key: KeyRow
    key_ids: str


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
        verdict: The cluster's answer to exactly `edit`, or None if it wasn't asked.
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
    verdict: Verdict | None = None

    def names(self, *fates: Fate) -> list[str]:
        """Return the names of the keys with one of these fates."""
        return sorted(one.key.name for one in self.keys if one.fate in fates)


def role_preview(snapshot: Snapshot, name: str, role: Role) -> PreviewPage:
    """Return what a role change does.

    Raises:
        ViewError: there is no such member, or the caller may not list what decides about the keys.
    """
    member = snapshot.member(name)
    snapshot.require(ApiKey, Organization)
    if member.spec.role is role:
        raise ViewError(f"{name} is {role} already, so no key changes")
    identity = (Membership.kind, Address(member.namespace, name))
    impact = _impact(snapshot, _with_role(snapshot.tree, identity, member, role))
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
    return _page(snapshot, member, impact, edit)


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


def _impact(snapshot: Snapshot, head: Tree) -> Impact:
    """Return the impact by the same decision as the webhook's and that of `tenure impact`."""
    installation = installation_of(snapshot.organization)
    # The cluster checks the schema itself when it tries the change.
    (impact,) = compare(_observed(snapshot.tree), head, snapshot.now, installation, schema=lambda *_: ()).members
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


def _with_role(tree: Tree, identity: Identity, member: Membership, role: Role) -> Tree:
    """Return the tree with another role of a member."""
    body = tree.bodies[identity]
    spec: Mapping[str, Any] = {**body["spec"], "role": role.value}
    bodies: Mapping[Identity, Body] = {**tree.bodies, identity: {**body, "spec": spec}}
    changed = member.model_copy(update={"spec": member.spec.model_copy(update={"role": role})})
    return replace(tree, memberships={**tree.memberships, identity[1]: changed}, bodies=bodies)


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
            yield KeyFate(fate, row, impact.key_ids.get(name, row.key_id or ""))
