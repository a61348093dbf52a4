"""A tree of organizations, members and keys at one moment, from a repository's manifests or from a cluster."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Self, TypeVar

from tenure.domain.in_force import oldest
from tenure.domain.planning.observation import Siblings
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.domain.views import memberships_of

R = TypeVar("R", bound=Resource)


class Address(NamedTuple):
    """The namespace and the name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


Identity = tuple[str, Address]
"""The kind and the address of an object."""

Body = Mapping[str, Any]

_REVIEWED = ("name", "labels", "annotations", "ownerReferences")


@dataclass(frozen=True)
class Tree:
    """Objects of the three kinds at one moment."""

    organizations: Mapping[Address, Organization] = field(default_factory=dict)
    memberships: Mapping[Address, Membership] = field(default_factory=dict)
    api_keys: Mapping[Address, ApiKey] = field(default_factory=dict)
    bodies: Mapping[Identity, Body] = field(default_factory=dict)
    """What a change of an object is judged by: its spec as it was written, and of its metadata what a rule reads."""

    files: Mapping[Identity, str] = field(default_factory=dict)
    """The file of each object. Objects from a cluster have none."""

    @property
    def namespaces(self) -> set[str]:
        """The namespaces of the tree's objects."""
        return {address.namespace for objects in self._objects for address in objects}

    def organization_of(self, membership: Membership) -> Organization | None:
        """Return the Organization in force in the member's namespace, if it is the one that the member names."""
        organization = self.organization_in(membership.namespace)
        return organization if organization and organization.name == membership.spec.organization else None

    def organization_in(self, namespace: str) -> Organization | None:
        """Return the Organization in force in a namespace."""
        return oldest(self._organizations_by_namespace[namespace])

    def members_in(self, namespace: str) -> Sequence[Membership]:
        """Return the members in a namespace."""
        return self._members_by_namespace[namespace]

    def keys_of(self, member: Address) -> Sequence[ApiKey]:
        """Return the keys of a member, sorted by name."""
        return self._keys_by_member.get(member, ())

    def keys_at_stake(self, member: Address) -> Sequence[ApiKey]:
        """Return the keys of a member, and those with a token that was issued under the member, sorted by name."""
        return self._keys_at_stake.get(member, ())

    def file_of(self, kind: type[Resource], address: Address) -> str:
        """Return the file of an object, or an empty string if it has none."""
        return self.files.get((kind.kind, address), "")

    def find(self, kind: type[R], address: Address) -> R | None:
        """Return the object of a kind at an address, or None if there is none."""
        objects: Mapping[Address, R] = self.of(kind)
        return objects.get(address)

    def of(self, kind: type[R]) -> Mapping[Address, Any]:
        """Return the objects of a kind."""
        return dict(zip(KINDS, self._objects, strict=True))[kind]

    def body_of(self, kind: type[Resource], address: Address) -> Body:
        """Return the body of an object, or an empty one if there is no such object."""
        return self.bodies.get((kind.kind, address), {})

    def over(self, other: Self) -> Self:
        """Return these objects, and those of another tree that this one doesn't have."""
        return type(self)(
            {**other.organizations, **self.organizations},
            {**other.memberships, **self.memberships},
            {**other.api_keys, **self.api_keys},
            {**other.bodies, **self.bodies},
            {**other.files, **self.files},
        )

    def with_keys_of(self, other: Self, addresses: AbstractSet[Address]) -> Self:
        """Return this tree with the ApiKeys at these addresses as they are in another one, or not at all."""
        kept = {address: key for address, key in self.api_keys.items() if address not in addresses}
        bodies = {
            identity: body
            for identity, body in self.bodies.items()
            if identity[0] != ApiKey.kind or identity[1] not in addresses
        }
        for address in addresses & other.api_keys.keys():
            kept[address] = other.api_keys[address]
            bodies[ApiKey.kind, address] = other.body_of(ApiKey, address)
        return replace(self, api_keys=kept, bodies=bodies)

    def without(self, other: Self) -> Self:
        """Return the objects that aren't in another tree."""
        organizations, memberships, api_keys = (
            {address: one for address, one in objects.items() if address not in others}
            for objects, others in zip(self._objects, other._objects, strict=True)
        )
        bodies = {identity: body for identity, body in self.bodies.items() if identity not in other.bodies}
        return type(self)(organizations, memberships, api_keys, bodies, self.files)

    @property
    def _objects(self) -> tuple[Mapping[Address, Any], Mapping[Address, Any], Mapping[Address, Any]]:
        return self.organizations, self.memberships, self.api_keys

    @cached_property
    def _organizations_by_namespace(self) -> Mapping[str, list[Organization]]:
        return _by_namespace(self.organizations)

    @cached_property
    def _members_by_namespace(self) -> Mapping[str, list[Membership]]:
        return _by_namespace(self.memberships)

    @cached_property
    def _keys_by_member(self) -> Mapping[Address, Sequence[ApiKey]]:
        keys: defaultdict[Address, list[ApiKey]] = defaultdict(list)
        for address, key in sorted(self.api_keys.items(), key=lambda item: item[0]):
            keys[Address(address.namespace, key.spec.membership)].append(key)
        return {member: Siblings(keys) for member, keys in keys.items()}

    @cached_property
    def _keys_at_stake(self) -> Mapping[Address, Sequence[ApiKey]]:
        keys: defaultdict[Address, list[ApiKey]] = defaultdict(list)
        for address, key in sorted(self.api_keys.items(), key=lambda item: item[0]):
            for member in memberships_of(key):
                keys[Address(address.namespace, member)].append(key)
        return keys


def _by_namespace(objects: Mapping[Address, R]) -> Mapping[str, list[R]]:
    there: defaultdict[str, list[R]] = defaultdict(list)
    for address, one in objects.items():
        there[address.namespace].append(one)
    return there


def reviewed_body(body: Body) -> Body:
    """Return the part of an object's body that the rules read. A field that is null means the same as an absent one."""
    metadata = body.get("metadata") or {}
    return {
        "metadata": {name: metadata[name] for name in _REVIEWED if metadata.get(name)},
        "spec": _without_nulls(body.get("spec") or {}),
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
