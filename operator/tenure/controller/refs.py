"""Addresses of objects, and changes of an object."""

from dataclasses import dataclass
from typing import NamedTuple

from tenure.domain.resources import Resource


class Ref(NamedTuple):
    """The address of an object: its kind, namespace and name."""

    resource: type[Resource]
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Change:
    """A change in the cache: the object before and after. None means that there was or is no object."""

    ref: Ref
    old: Resource | None
    new: Resource | None


def ref_of(resource: Resource) -> Ref:
    """The address of an object."""
    return Ref(type(resource), resource.namespace, resource.name)
