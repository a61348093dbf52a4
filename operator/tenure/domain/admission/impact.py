"""The impact of a change to a tree of manifests: the price of every change of a Membership, without a cluster.

The same functions judge here as in a cluster.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tenure.domain.admission.acknowledgement import find_flaw, spell
from tenure.domain.admission.ground import grounded
from tenure.domain.admission.ownership import remaining_owners
from tenure.domain.admission.price import Price, price
from tenure.domain.admission.request import Change, Operation, Requester
from tenure.domain.admission.tenancy import protection_refusal
from tenure.domain.admission.transitions import duplicate_refusal, rule_refusals
from tenure.domain.admission.tree import Address, Tree
from tenure.domain.admission.wording import denied_with_keys, service_account_warning
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.roles import Role


@dataclass(frozen=True)
class Impact:
    """What a change does to one member's keys."""

    member: Address
    subject: str
    is_person: bool
    old_role: Role | None
    """None: a new member."""

    new_role: Role | None
    """None: the member is removed."""

    file: str
    when_keys_exist: WhenKeysExist
    """What the organization does about a role change that ends keys, as far as it is known."""

    ends: tuple[str, ...] = ()
    goes_on: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    key_ids: Mapping[str, str] = field(default_factory=dict)
    """The public ids of the tokens that stop working, where a cluster was asked."""

    left_behind: Mapping[str, str] = field(default_factory=dict)
    """Keys of a removed member that stay, and their files; one without a file stays in the cluster."""

    acknowledgement: str | None = None
    """The annotation's value that is missing; None: nothing is."""

    flaw: str = ""
    """Why the annotation that is there is no acknowledgement; empty: there is none."""

    remark: str = ""
    """What else there is to know."""

    refusals: tuple[str, ...] = ()
    """Why the change won't be let in, whatever is acknowledged."""

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or taken back."""
        return self.acknowledgement is None and not self.refusals

    @property
    def is_refused(self) -> bool:
        """Whether the webhooks refuse it as it is."""
        is_asked_for = self.when_keys_exist is not WhenKeysExist.WARN
        return bool(self.refusals) or (is_asked_for and self.acknowledgement is not None)


@dataclass(frozen=True)
class Dissolution:
    """An Organization that a change removes."""

    organization: Address
    file: str
    ends: tuple[str, ...]
    """The keys of members that stay; what ends with the others is said of each of them."""

    stranded: tuple[str, ...]
    """Members that stay without an organization."""

    refusals: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or taken back: a file that goes doesn't name the keys that go with it."""
        return not self.ends and not self.refusals


@dataclass(frozen=True)
class Comparison:
    """What lies between two trees, by address."""

    members: tuple[Impact, ...]
    organizations: tuple[Dissolution, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or taken back."""
        return all(one.passes for one in self.members) and all(one.passes for one in self.organizations)


def compare(base: Tree, head: Tree, now: datetime, installation: Installation = DEFAULTS) -> Comparison:
    """The impact of every Membership that differs between two trees, and of every Organization that goes."""
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
    """The step from one tree, whose keys are issued, to another."""

    base: Tree
    head: Tree
    now: datetime
    installation: Installation

    def changes(self, member: Address) -> bool:
        """Whether a Membership differs."""
        old, new = self.base.memberships.get(member), self.head.memberships.get(member)
        return old is None or new is None or old.spec != new.spec

    def impact(self, member: Address) -> Impact:
        """The impact on a member who differs."""
        old, new = self.base.memberships.get(member), self.head.memberships.get(member)
        known = new or old
        if known is None:
            raise ValueError(f"{member} is in neither tree")
        impact = Impact(
            member=member,
            subject=known.spec.subject.name,
            is_person=known.is_person,
            old_role=old.spec.role if old else None,
            new_role=new.spec.role if new else None,
            file=(self.head if new else self.base).file_of(Membership, member),
            when_keys_exist=self._mode(known),
            remark=self._remark(old, new),
            refusals=tuple(self._refusals(old, new)),
        )
        return impact if old is None else self._with_price(impact, old)

    def dissolution(self, address: Address) -> Dissolution:
        """What becomes of an Organization that goes."""
        removal = Change(
            operation=Operation.DELETE,
            requester=Requester(username=""),
            namespace=address.namespace,
            old=self.base.organizations[address],
            new=None,
            old_body={},
            new_body={},
        )
        stay = [
            member
            for member in self.base.members_in(address.namespace)
            if member.spec.organization == address.name and _address(member) in self.head.memberships
        ]
        return Dissolution(
            organization=address,
            file=self.base.file_of(Organization, address),
            ends=tuple(sorted(key.name for member in stay for key in self._price(member, None).ends)),
            stranded=tuple(sorted(member.name for member in stay)),
            refusals=tuple(filter(None, [protection_refusal(removal)])),
        )

    def _mode(self, member: Membership) -> WhenKeysExist:
        """What a role change with keys meets: by what a cluster says of itself, or by the manifests."""
        before, after = self.base.organization_of(member), self.head.organization_of(member)
        told = before.status.policy if before else None
        if told and before and (after is None or before.spec.role_changes == after.spec.role_changes):
            return told.when_keys_exist
        organization = after or before
        return self.installation.policy(organization).when_keys_exist if organization else WhenKeysExist.WARN

    def _price(self, old: Membership, new_role: Role | None) -> Price:
        keys = self.base.keys_of(_address(old))
        return price(
            old,
            new_role,
            keys,
            self.base.organization_of(old),
            self.now,
            changed={key.name: self._renewed(key) for key in keys},
            installation=self.installation,
        )

    def _renewed(self, key: ApiKey) -> ApiKey | None:
        """The key with the spec that it will have; None: the change removes it."""
        after = self.head.api_keys.get(_address(key))
        return None if after is None else key.model_copy(update={"spec": after.spec})

    def _with_price(self, impact: Impact, old: Membership) -> Impact:
        cost = self._price(old, impact.new_role)
        priced = replace(
            impact,
            ends=tuple(key.name for key in cost.ends),
            goes_on=tuple(sorted((*(key.name for key in cost.goes_on), *cost.starts))),
            stays=tuple(key.name for key in cost.stays),
            key_ids={key.name: key.key_id for key in (*cost.ends, *cost.goes_on) if key.key_id},
        )
        if impact.new_role is None:
            left = map(_address, self.head.keys_of(impact.member))
            return replace(priced, left_behind={key.name: self.head.file_of(ApiKey, key) for key in left})
        if impact.when_keys_exist is WhenKeysExist.DENY:
            denied = [denied_with_keys(old, impact.new_role, cost, old.spec.organization)] if cost.ends else []
            return replace(priced, refusals=(*impact.refusals, *denied))
        marks = self.base.acknowledgements.get(impact.member), self.head.acknowledgements.get(impact.member)
        flaw = find_flaw(*marks, impact.new_role, cost.dying) if cost.dying else None
        if flaw is None or impact.new_role is impact.old_role:
            return priced
        # Every token that dies is named, replaced or not.
        return replace(priced, acknowledgement=spell(impact.new_role, cost.dying), flaw=flaw.text if marks[1] else "")

    def _refusals(self, old: Membership | None, new: Membership | None) -> Iterator[str]:
        if old is not None and new is not None:
            for name in ("organization", "subject"):
                if getattr(old.spec, name) != getattr(new.spec, name):
                    yield f"spec.{name}: never changes; delete the Membership and create another one"
        if new is not None:
            organization = self.head.organization_of(new)
            yield from rule_refusals(organization, old, new) if organization else ()
            if old is None and (refusal := duplicate_refusal(new, self._members_before(new))):
                yield refusal
        if old is not None and _steps_down(old, new):
            yield from self._last_owner(old)

    def _remark(self, old: Membership | None, new: Membership | None) -> str:
        """What an Owner who goes or steps down leaves behind."""
        if old is None or not _steps_down(old, new):
            return ""
        others = self.base.members_in(old.namespace)
        robots = (member for member in others if not member.is_person)
        number = sum(len(self._price(member, member.spec.role).stays) for member in robots)
        return service_account_warning(old, number) or ""

    def _members_before(self, new: Membership) -> Iterator[Membership]:
        """The members who are there when a new one comes."""
        for member in self.head.members_in(new.namespace):
            if _address(member) in self.base.memberships or member.name < new.name:
                yield member

    def _last_owner(self, old: Membership) -> Iterator[str]:
        """Whether an organization that stays loses its last owner."""
        name = old.spec.organization
        organization = self.head.organizations.get(Address(old.namespace, name))
        members = self.head.members_in(old.namespace)
        if organization is not None and not remaining_owners(members, old, organization):
            yield f"spec.role: {name} must keep an owner, and no other Membership in the tree is one"


def _steps_down(old: Membership, new: Membership | None) -> bool:
    return old.spec.role is Role.OWNER and (new is None or new.spec.role is not Role.OWNER)


def _address(resource: Membership | ApiKey) -> Address:
    return Address(resource.namespace, resource.name)
