"""The change from one tree to another, as changes of single objects with the evidence for a decision about each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tenure.domain.admission.request import Change
from tenure.domain.impact.tree import Address, Body, Tree
from tenure.domain.installation import Installation
from tenure.domain.operations import Operation
from tenure.domain.permissions import Requester
from tenure.domain.resources import ApiKey, Membership, Organization, Resource

R = TypeVar("R", bound=Resource)

SchemaRules = Callable[[type[Resource], Body, Body], Iterable[str]]
"""Yields what the schema of a kind doesn't allow as a change from one body to another."""

_NOBODY = Requester(username="")
"""An unknown requester, because a tree doesn't say who merges a pull request and what they may do."""


@dataclass(frozen=True)
class Step:
    """The change from one tree, whose keys are issued, to another."""

    base: Tree
    head: Tree
    now: datetime
    installation: Installation
    schema: SchemaRules

    def changed(self, kind: type[R]) -> Iterator[tuple[Address, Change[R]]]:
        """Yield the objects of a kind that a rule may reject as they change, sorted by address."""
        for address in sorted({*self.base.of(kind), *self.head.of(kind)}):
            change = self.change(kind, address)
            if change.matters or change.old_body != change.new_body:
                yield address, change

    def change(self, kind: type[R], address: Address) -> Change[R]:
        """Return the change of an object, which is in at least one of the trees."""
        old, new = self.base.find(kind, address), self.head.find(kind, address)
        return Change(
            operation=Operation.CREATE if old is None else Operation.DELETE if new is None else Operation.UPDATE,
            requester=_NOBODY,
            namespace=address.namespace,
            old=old,
            new=new,
            old_body=self.base.body_of(kind, address),
            new_body=self.head.body_of(kind, address),
        )

    def schema_refusals(self, change: Change[R]) -> Iterator[str]:
        """Yield what the schema doesn't allow about a change."""
        if change.old is not None and change.new is not None:
            yield from self.schema(type(change.new), change.old_body, change.new_body)

    def file_of(self, kind: type[Resource], address: Address) -> str:
        """Return the file of an object after the change, or before if the change removes it."""
        return self.head.file_of(kind, address) or self.base.file_of(kind, address)

    def organization_after(self, member: Membership) -> Organization | None:
        """Return the Organization that the member names, as it will be.

        If it isn't in force, its rules don't apply, but it must still keep its last Owner.
        """
        in_force = self.head.organization_of(member)
        named = self.head.organizations.get(Address(member.namespace, member.spec.organization))
        if in_force is not None or named is None:
            return in_force
        return named.model_copy(
            update={"spec": named.spec.model_copy(update={"role_changes": None, "allowed_email_domains": None})}
        )

    def key_after(self, key: ApiKey) -> ApiKey | None:
        """Return a key with its future spec, or None if the change removes it."""
        after = self.head.api_keys.get(address_of(key))
        return None if after is None else key.model_copy(update={"spec": after.spec})

    def keys_after(self, member: Address) -> list[ApiKey]:
        """Return the keys of a member after the change, with the tokens that they have before."""
        return [self._with_token(key) for key in self.head.keys_of(member)]

    def _with_token(self, key: ApiKey) -> ApiKey:
        before = self.base.api_keys.get(address_of(key))
        return key if before is None else before.model_copy(update={"spec": key.spec})


def address_of(resource: Resource) -> Address:
    """Return the address of an object."""
    return Address(resource.namespace, resource.name)
