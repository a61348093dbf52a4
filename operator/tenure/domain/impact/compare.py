"""Computes the impact of a change to a tree of manifests: decides about every changed Membership without a cluster.

The evidence comes from two trees here, and from reads in a cluster. The same function decides.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.admission.decide import decide
from tenure.domain.admission.decision import Refusal, Rule
from tenure.domain.admission.evidence import MembershipEvidence, OrganizationEvidence
from tenure.domain.admission.messages import inheritance_warnings, service_account_warning
from tenure.domain.admission.request import Change
from tenure.domain.impact.assumptions import grounded
from tenure.domain.impact.tree import Address, Tree
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.operations import Operation
from tenure.domain.permissions import Requester
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.roles import Role

R = TypeVar("R", Organization, Membership)

_NOBODY = Requester(username="")
"""An unknown requester, because a tree doesn't say who merges a pull request and what they may do."""


@dataclass(frozen=True)
class Impact:
    """The impact of a change on one member's keys."""

    member: Address
    subject: str
    is_person: bool
    old_role: Role | None
    """None for a new member."""

    new_role: Role | None
    """None if the member is removed."""

    file: str
    when_keys_exist: WhenKeysExist
    """What the organization does about a role change that revokes keys, as far as it is known."""

    revoked: tuple[str, ...] = ()
    reissued: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    key_ids: Mapping[str, str] = field(default_factory=dict)
    """Public ids of the tokens that stop working, if a cluster was asked."""

    left_behind: Mapping[str, str] = field(default_factory=dict)
    """Keys of a removed member that stay, with their files. A key without a file stays in the cluster."""

    acknowledgement: str | None = None
    """The value of the annotation that is missing, or None if none is."""

    flaw: str = ""
    """Why the present annotation doesn't acknowledge the keys. Empty if there is no annotation."""

    remark: str = ""
    """A warning about keys of service accounts, or about keys that name a new member already, or empty."""

    refusals: tuple[str, ...] = ()
    """Why the webhook rejects the change, even with an acknowledgement."""

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or undone."""
        return self.acknowledgement is None and not self.refusals

    @property
    def is_refused(self) -> bool:
        """Whether the webhook rejects the change as it is."""
        is_asked_for = self.when_keys_exist is not WhenKeysExist.WARN
        return bool(self.refusals) or (is_asked_for and self.acknowledgement is not None)


@dataclass(frozen=True)
class OrganizationRemoval:
    """An Organization that a change removes."""

    organization: Address
    file: str
    revoked: tuple[str, ...]
    """Revoked keys of members that stay. The impact of each removed member lists that member's keys."""

    stranded: tuple[str, ...]
    """Members that stay and have no organization any more."""

    refusals: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or undone. A removed file can't acknowledge revoked keys."""
        return not self.revoked and not self.refusals


@dataclass(frozen=True)
class Comparison:
    """The differences between two trees, sorted by address."""

    members: tuple[Impact, ...]
    organizations: tuple[OrganizationRemoval, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or undone."""
        return all(one.passes for one in self.members) and all(one.passes for one in self.organizations)


def compare(base: Tree, head: Tree, now: datetime, installation: Installation = DEFAULTS) -> Comparison:
    """Return the impact of every Membership that differs between two trees, and of every removed Organization."""
    before, after = grounded(base, head, now, installation)
    step = _Step(before, after, now, installation)
    everybody = sorted(before.memberships.keys() | after.memberships.keys())
    gone = sorted(before.organizations.keys() - after.organizations.keys())
    return Comparison(
        tuple(step.impact(member) for member in everybody if step.changes(member)),
        tuple(step.dissolution(organization) for organization in gone),
    )


@dataclass(frozen=True)
class _Step:
    """The change from one tree, whose keys are issued, to another."""

    base: Tree
    head: Tree
    now: datetime
    installation: Installation

    def changes(self, member: Address) -> bool:
        """Return whether a Membership differs between the trees."""
        old, new = self.base.memberships.get(member), self.head.memberships.get(member)
        return old is None or new is None or old.spec != new.spec

    def impact(self, member: Address) -> Impact:
        """Return the impact on a member whose Membership differs."""
        old, new = self.base.memberships.get(member), self.head.memberships.get(member)
        evidence = self._evidence(old, new)
        known, price = evidence.change.subject, evidence.price
        return Impact(
            member=member,
            subject=known.spec.subject.name,
            is_person=known.is_person,
            old_role=old.spec.role if old else None,
            new_role=evidence.new_role,
            file=(self.head if new else self.base).file_of(Membership, member),
            when_keys_exist=evidence.policy,
            revoked=tuple(key.name for key in price.revoked),
            reissued=tuple(sorted((*(key.name for key in price.reissued), *price.issued))),
            kept=tuple(key.name for key in price.kept),
            key_ids={key.name: key.key_id for key in (*price.revoked, *price.reissued) if key.key_id},
            left_behind={} if new else self._left_behind(member),
            remark=self._remark(evidence),
            refusals=(*_fixed_fields(old, new), *_in_words_of_a_tree(decide(evidence).refusals, old or known)),
            **_acknowledgement(evidence),
        )

    def _remark(self, evidence: MembershipEvidence) -> str:
        """Return the warning about keys of service accounts, or about keys that name a new member already."""
        known = evidence.change.subject
        if evidence.change.old is None:
            return " ".join(inheritance_warnings(known, evidence.keys or ()))
        return service_account_warning(evidence.change.old, evidence.service_account_keys or 0) or ""

    def dissolution(self, address: Address) -> OrganizationRemoval:
        """Return the impact of the removal of an Organization."""
        removal = _change(self.base.organizations[address], None)
        stay = [
            member
            for member in self.base.members_in(address.namespace)
            if member.spec.organization == address.name and _address(member) in self.head.memberships
        ]
        refusals = decide(OrganizationEvidence(change=removal, now=self.now, missing_deletion=())).refusals
        return OrganizationRemoval(
            organization=address,
            file=self.base.file_of(Organization, address),
            revoked=tuple(sorted(key.name for member in stay for key in self._evidence(member, None).price.revoked)),
            stranded=tuple(sorted(member.name for member in stay)),
            refusals=tuple(one.text for one in refusals),
        )

    def _evidence(self, old: Membership | None, new: Membership | None) -> MembershipEvidence:
        """Return the evidence about a member's change, as if both trees were applied to a cluster."""
        known = new or old
        if known is None:
            raise ValueError("the member is in neither tree")
        marks = (tree.acknowledgements.get(_address(known)) for tree in (self.base, self.head))
        keys = self.base.keys_of(_address(known))
        return MembershipEvidence(
            change=_change(old, new, *marks),
            now=self.now,
            installation=self.installation,
            missing_deletion=(),
            missing_grants=(),
            organization=self._organization(old or known),
            issuer=self.base.organization_of(old) if old else None,
            when_keys_exist=self._when_keys_exist(known),
            namesakes=list(self._members_before(known)) if old is None else None,
            keys=keys,
            changed_keys={key.name: self._renewed(key) for key in keys},
            service_account_keys=self._service_account_keys(known.namespace) if old and _steps_down(old, new) else 0,
            owners=self.head.members_in(known.namespace),
            namespace_terminating=False,
        )

    def _organization(self, member: Membership) -> Organization | None:
        """Return the Organization that the member names.

        If it isn't in force, its rules don't apply, but it must still keep its last Owner.
        """
        in_force = self.head.organization_of(member)
        named = self.head.organizations.get(Address(member.namespace, member.spec.organization))
        if in_force is not None or named is None:
            return in_force
        return named.model_copy(
            update={"spec": named.spec.model_copy(update={"role_changes": None, "allowed_email_domains": None})}
        )

    def _when_keys_exist(self, member: Membership) -> WhenKeysExist:
        """Return what happens to a role change that revokes keys, by the status from a cluster or by the manifests."""
        before, after = self.base.organization_of(member), self.head.organization_of(member)
        told = before.status.policy if before else None
        if told and before and (after is None or before.spec.role_changes == after.spec.role_changes):
            return told.when_keys_exist
        organization = after or before
        return self.installation.policy(organization).when_keys_exist if organization else WhenKeysExist.WARN

    def _renewed(self, key: ApiKey) -> ApiKey | None:
        """Return the key with its future spec, or None if the change removes it."""
        after = self.head.api_keys.get(_address(key))
        return None if after is None else key.model_copy(update={"spec": after.spec})

    def _left_behind(self, member: Address) -> Mapping[str, str]:
        left = map(_address, self.head.keys_of(member))
        return {key.name: self.head.file_of(ApiKey, key) for key in left}

    def _members_before(self, new: Membership) -> Iterator[Membership]:
        """Yield the members that exist when a new one is created."""
        for member in self.head.members_in(new.namespace):
            if _address(member) in self.base.memberships or member.name < new.name:
                yield member

    def _service_account_keys(self, namespace: str) -> int:
        """Return the number of working keys of service accounts."""
        robots = (member for member in self.base.members_in(namespace) if not member.is_person)
        return sum(len(self._evidence(member, member).price.kept) for member in robots)


def _change(old: R | None, new: R | None, before: str | None = None, after: str | None = None) -> Change[R]:
    """Return the change from one manifest to another, with the acknowledgement before and after."""
    known = new or old
    if known is None:
        raise ValueError("a change has an object")
    return Change(
        operation=Operation.CREATE if old is None else Operation.DELETE if new is None else Operation.UPDATE,
        requester=_NOBODY,
        namespace=known.namespace,
        old=old,
        new=new,
        old_body=_body(old, before),
        new_body=_body(new, after),
    )


def _body(resource: Organization | Membership | None, acknowledgement: str | None) -> Mapping[str, Any]:
    """Return the part of an object's body that a decision reads."""
    if resource is None:
        return {}
    annotations = {} if acknowledgement is None else {ANNOTATION: acknowledgement}
    return {"metadata": {"annotations": annotations}, "spec": resource.spec.model_dump()}


def _fixed_fields(old: Membership | None, new: Membership | None) -> Iterator[str]:
    """Yield a refusal for each changed field that the schema doesn't allow to change."""
    if old is None or new is None:
        return
    for name in ("organization", "subject"):
        if getattr(old.spec, name) != getattr(new.spec, name):
            yield f"spec.{name}: can't be changed. Delete the Membership and create another one."


def _in_words_of_a_tree(refusals: Iterable[Refusal], member: Membership) -> Iterator[str]:
    """Yield the refusals that no acknowledgement lifts, worded for a tree of manifests."""
    for one in refusals:
        if one.rule is Rule.LAST_OWNER:
            name = member.spec.organization
            yield f"spec.role: Organization {name} must keep an Owner, and no other Membership in the tree is an Owner."
        elif one.rule is not Rule.UNACKNOWLEDGED:
            yield one.text


def _acknowledgement(evidence: MembershipEvidence) -> dict[str, str]:
    """Return the missing annotation, and why the present one isn't enough, even if the organization only warns."""
    new_role, flaw = evidence.new_role, evidence.flaw
    if new_role is None or flaw is None or not evidence.takes_role or evidence.policy is WhenKeysExist.DENY:
        return {}
    # It also names keys that the same change approves by forRole, because the role may be applied before that.
    text = flaw.text if evidence.change.acknowledgements[1] else ""
    return {"acknowledgement": evidence.acknowledgement, "flaw": text}


def _steps_down(old: Membership, new: Membership | None) -> bool:
    return old.spec.role is Role.OWNER and (new is None or new.spec.role is not Role.OWNER)


def _address(resource: Membership | ApiKey) -> Address:
    return Address(resource.namespace, resource.name)
