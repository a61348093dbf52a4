"""Addresses of objects, and what changed at one."""

from dataclasses import dataclass
from typing import NamedTuple

from tenure.domain.resources import Resource


class Ref(NamedTuple):
    """The address of an object."""

    resource: type[Resource]
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Change:
    """What the cache held before and holds now; None: no object."""

    ref: Ref
    old: Resource | None
    new: Resource | None


def ref_of(resource: Resource) -> Ref:
    """The address of an object at hand."""
    return Ref(type(resource), resource.namespace, resource.name)
