"""The impact of a change to a tree of manifests: the price of every change of a Membership, without a cluster.

The tree's keys are taken for issued where they could be, by the rules that issue them, so the same functions judge here
as in a cluster.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from tenure.domain.admission.acknowledgement import is_approved, spell
from tenure.domain.admission.price import price
from tenure.domain.admission.transitions import explain_denial, is_denied
from tenure.domain.planning.apikeys import issued_status, new_stamp
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.planning.obstacles import find_obstacle
from tenure.domain.planning.organizations import oldest
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.roles import Role
from tenure.domain.validity import Verdict


class Address(NamedTuple):
    """A namespace and a name in it."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Tree:
    """The manifests of a repository at one moment."""

    organizations: Mapping[Address, Organization] = field(default_factory=dict)
    memberships: Mapping[Address, Membership] = field(default_factory=dict)
    api_keys: Mapping[Address, ApiKey] = field(default_factory=dict)
    acknowledgements: Mapping[Address, str] = field(default_factory=dict)
    """The acknowledging annotation of each Membership that has one."""

    files: Mapping[tuple[str, Address], str] = field(default_factory=dict)
    """The file of each object, by kind and address."""

    def organization_of(self, membership: Membership) -> Organization | None:
        """The Organization in force in the member's namespace, if it is the one that the member names."""
        there = [one for address, one in self.organizations.items() if address.namespace == membership.namespace]
        organization = oldest(there)
        return organization if organization and organization.name == membership.spec.organization else None

    def keys_of(self, member: Address) -> list[ApiKey]:
        """The keys of a member, by name."""
        keys = (
            key
            for address, key in self.api_keys.items()
            if address.namespace == member.namespace and key.spec.membership == member.name
        )
        return sorted(keys, key=lambda key: key.name)

    def owners(self, namespace: str, organization: str) -> list[str]:
        """The names of the people who own an organization."""
        return sorted(
            address.name
            for address, member in self.memberships.items()
            if address.namespace == namespace
            and member.spec.organization == organization
            and member.spec.role is Role.OWNER
        )


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
    ends: tuple[str, ...] = ()
    goes_on: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    left_behind: Mapping[str, str] = field(default_factory=dict)
    """Keys of a removed member that the tree still holds, and their files."""

    acknowledgement: str | None = None
    """The annotation's value that is missing; None: nothing is."""

    refusals: tuple[str, ...] = ()
    """Why the change won't be let in, whatever is acknowledged."""

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or taken back."""
        return self.acknowledgement is None and not self.refusals


def compare(base: Tree, head: Tree, now: datetime) -> list[Impact]:
    """The impact of every Membership that differs between two trees, by address."""
    issued = replace(base, api_keys={address: _issued(key, base, now) for address, key in base.api_keys.items()})
    impacts = []
    for member in sorted(base.memberships.keys() | head.memberships.keys()):
        old, new = base.memberships.get(member), head.memberships.get(member)
        if old is None or new is None or old.spec != new.spec:
            impacts.append(_impact(member, issued, head, now))
    return impacts


def _issued(key: ApiKey, tree: Tree, now: datetime) -> ApiKey:
    """The key as it would stand in a cluster that the tree was applied to."""
    membership = tree.memberships.get(Address(key.namespace, key.spec.membership))
    organization = tree.organization_of(membership) if membership else None
    siblings = tree.keys_of(Address(key.namespace, key.spec.membership))
    seen = ApiKeyObservation(api_key=key, membership=membership, organization=organization, siblings=siblings, now=now)
    if find_obstacle(seen, Verdict.PENDING) is not None:
        return key
    status = issued_status(seen, new_stamp(seen, now), key_id=key.name, token_hash="", secret_uid=key.name)
    return key.model_copy(update={"status": status})


def _impact(member: Address, base: Tree, head: Tree, now: datetime) -> Impact:
    old, new = base.memberships.get(member), head.memberships.get(member)
    known = new or old
    if known is None:
        raise ValueError(f"{member} is in neither tree")
    impact = Impact(
        member=member,
        subject=known.spec.subject.name,
        is_person=known.is_person,
        old_role=old.spec.role if old else None,
        new_role=new.spec.role if new else None,
        file=(head if new else base).files.get((Membership.kind, member), ""),
        refusals=tuple(_refusals(old, new, base, head)),
    )
    return impact if old is None else _with_price(impact, old, base, head, now)


def _with_price(impact: Impact, old: Membership, base: Tree, head: Tree, now: datetime) -> Impact:
    member, keys = impact.member, base.keys_of(impact.member)
    changed = {key.name: _renewed(key, head.api_keys.get(Address(key.namespace, key.name))) for key in keys}
    cost = price(old, impact.new_role, keys, base.organization_of(old), now, changed=changed)
    left = {
        key.name: head.files.get((ApiKey.kind, Address(key.namespace, key.name)), "") for key in head.keys_of(member)
    }
    return replace(
        impact,
        ends=tuple(key.name for key in cost.ends),
        goes_on=tuple(sorted((*(key.name for key in cost.goes_on), *cost.starts))),
        stays=tuple(key.name for key in cost.stays),
        left_behind=left if impact.new_role is None else {},
        acknowledgement=_missing_acknowledgement(impact, cost.dying, base, head),
    )


def _renewed(key: ApiKey, after: ApiKey | None) -> ApiKey | None:
    """The key with the spec that it will have; None: the change removes it."""
    return None if after is None else key.model_copy(update={"spec": after.spec})


def _missing_acknowledgement(impact: Impact, keys: tuple[str, ...], base: Tree, head: Tree) -> str | None:
    """The acknowledgement that a change of role still needs: every token that dies is named, replaced or not."""
    if impact.new_role is None or impact.new_role is impact.old_role or not keys:
        return None
    before, after = base.acknowledgements.get(impact.member), head.acknowledgements.get(impact.member)
    return None if is_approved(before, after, impact.new_role, keys) else spell(impact.new_role, keys)


def _refusals(old: Membership | None, new: Membership | None, base: Tree, head: Tree) -> Iterator[str]:
    if old is not None and new is not None:
        for name in ("organization", "subject"):
            if getattr(old.spec, name) != getattr(new.spec, name):
                yield f"spec.{name}: never changes; delete the Membership and create another one"
    if new is not None:
        organization = head.organization_of(new)
        before = old.spec.role if old else None
        if organization is not None and before is not new.spec.role and is_denied(organization, before, new.spec.role):
            yield explain_denial(organization, before, new.spec.role)
    if old is not None and old.spec.role is Role.OWNER and (new is None or new.spec.role is not Role.OWNER):
        yield from _last_owner(old, base, head)


def _last_owner(old: Membership, base: Tree, head: Tree) -> Iterator[str]:
    """Whether an organization that stays loses its last owner."""
    name = old.spec.organization
    stays = Address(old.namespace, name) in head.organizations or Address(old.namespace, name) not in base.organizations
    if stays and not head.owners(old.namespace, name):
        yield f"spec.role: {name} must keep an owner, and no other Membership in the tree is one"
