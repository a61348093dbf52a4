"""A tree of organizations, members and keys at one moment, from a repository's manifests or from a cluster."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Self, TypeVar

from tenure.domain.in_force import oldest
from tenure.domain.resources import ApiKey, Membership, Organization, Resource

R = TypeVar("R", bound=Resource)


class Address(NamedTuple):
    """The namespace and the name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Tree:
    """Objects of the three kinds at one moment."""

    organizations: Mapping[Address, Organization] = field(default_factory=dict)
    memberships: Mapping[Address, Membership] = field(default_factory=dict)
    api_keys: Mapping[Address, ApiKey] = field(default_factory=dict)
    acknowledgements: Mapping[Address, str] = field(default_factory=dict)
    """The acknowledgement annotation of each Membership that has one."""

    files: Mapping[tuple[str, Address], str] = field(default_factory=dict)
    """The file of each object, by kind and address. Objects from a cluster have none."""

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
        return self._keys_by_member[member]

    def file_of(self, kind: type[Resource], address: Address) -> str:
        """Return the file of an object, or an empty string if it has none."""
        return self.files.get((kind.kind, address), "")

    def over(self, other: Self) -> Self:
        """Return these objects, and those of another tree that this one doesn't have."""
        marks = {member: text for member, text in other.acknowledgements.items() if member not in self.memberships}
        return type(self)(
            {**other.organizations, **self.organizations},
            {**other.memberships, **self.memberships},
            {**other.api_keys, **self.api_keys},
            {**marks, **self.acknowledgements},
            {**other.files, **self.files},
        )

    def without(self, other: Self) -> Self:
        """Return the objects that aren't in another tree."""
        organizations, memberships, api_keys = (
            {address: one for address, one in objects.items() if address not in others}
            for objects, others in zip(self._objects, other._objects, strict=True)
        )
        marks = {member: text for member, text in self.acknowledgements.items() if member in memberships}
        return type(self)(organizations, memberships, api_keys, marks, self.files)

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
    def _keys_by_member(self) -> Mapping[Address, list[ApiKey]]:
        keys: defaultdict[Address, list[ApiKey]] = defaultdict(list)
        for address, key in sorted(self.api_keys.items(), key=lambda item: item[0]):
            keys[Address(address.namespace, key.spec.membership)].append(key)
        return keys


def _by_namespace(objects: Mapping[Address, R]) -> Mapping[str, list[R]]:
    there: defaultdict[str, list[R]] = defaultdict(list)
    for address, one in objects.items():
        there[address.namespace].append(one)
    return there
