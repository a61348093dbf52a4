"""The objects of one namespace at one moment, as far as the caller may list them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypeVar

from tenure.domain.impact.tree import Address, Body, Identity, Tree, reviewed_body
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.viewmodel.errors import HiddenError, UnknownObjectError
from tenure.viewmodel.managers import Manager, manager_of

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True)
class Snapshot:
    """The objects of a namespace.

    Attributes:
        namespace: The namespace.
        now: The moment of the list, by the API server's clock.
        tree: The objects of the kinds that the caller may list.
        managers: Who manages each object.
        hidden: Why the caller may not list a kind, by its plural.
        context: The kubeconfig's context that the caller chose, or empty for the current one.
    """

    namespace: str
    now: datetime
    tree: Tree
    managers: Mapping[Identity, Manager] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    context: str = ""

    @classmethod
    def of(
        cls,
        namespace: str,
        now: datetime,
        objects: Iterable[tuple[Resource, Mapping[str, Any]]],
        hidden: Mapping[str, str] | None = None,
    ) -> Self:
        """Collect parsed objects, each with its body as the API server sent it."""
        found: dict[type[Resource], dict[Address, Any]] = {kind: {} for kind in KINDS}
        bodies: dict[Identity, Body] = {}
        managers: dict[Identity, Manager] = {}
        for one, body in objects:
            address = Address(one.namespace, one.name)
            found[type(one)][address] = one
            bodies[one.kind, address] = reviewed_body(body)
            managers[one.kind, address] = manager_of(one.metadata, body)
        tree = Tree(found[Organization], found[Membership], found[ApiKey], bodies)
        return cls(namespace, now, tree, managers, hidden or {})

    @property
    def organization(self) -> Organization | None:
        """The Organization in force, or None if there is none or if the caller may not list them."""
        return self.tree.organization_in(self.namespace)

    @property
    def members(self) -> Sequence[Membership]:
        """The members, sorted by name."""
        return sorted(self.tree.members_in(self.namespace), key=lambda member: member.name)

    @property
    def keys(self) -> Sequence[ApiKey]:
        """The keys, sorted by name."""
        return [key for _, key in sorted(self.tree.api_keys.items())]

    def manager(self, resource: Resource) -> Manager:
        """Return who manages an object."""
        return self.managers[resource.kind, Address(resource.namespace, resource.name)]

    def member(self, name: str) -> Membership:
        """Return the Membership of a name.

        Raises:
            UnknownObjectError: there is none.
            HiddenError: the caller may not list them.
        """
        return self._find(Membership, name)

    def key(self, name: str) -> ApiKey:
        """Return the ApiKey of a name.

        Raises:
            UnknownObjectError: there is none.
            HiddenError: the caller may not list them.
        """
        return self._find(ApiKey, name)

    def require(self, *kinds: type[Resource]) -> None:
        """Check that the caller may list some kinds, which a page can't do without.

        Raises:
            HiddenError: the caller may not. The text says how to ask for the right.
        """
        for kind in kinds:
            if kind.plural in self.hidden:
                raise HiddenError(self.hidden[kind.plural])

    def require_organization(self) -> Organization:
        """Return the Organization in force.

        Raises:
            UnknownObjectError: there is none.
            HiddenError: the caller may not list them.
        """
        self.require(Organization)
        if self.organization is None:
            raise UnknownObjectError(
                f"there is no Organization in namespace {self.namespace}. Choose another one with -n"
            )
        return self.organization

    def _find(self, kind: type[R], name: str) -> R:
        self.require(kind)
        found = self.tree.find(kind, Address(self.namespace, name))
        if found is None:
            names = sorted(address.name for address in self.tree.of(kind))
            there = (
                f"There are: {', '.join(names[:20])}. Another namespace: -n NAME"
                if names
                else f"This namespace has no {kind.kind} at all. Choose that of your organization with -n NAME"
            )
            raise UnknownObjectError(f"there is no {kind.kind} {name!r} in namespace {self.namespace}. {there}")
        return found
