"""Which of several objects is in force, where only one can be."""

from collections.abc import Sequence
from typing import TypeVar

from tenure.domain.resources import Resource

R = TypeVar("R", bound=Resource)


def oldest(resources: Sequence[R]) -> R | None:
    """The one in force among objects of which only one can be: the oldest, by uid where two are equally old."""
    return min(
        resources,
        key=lambda resource: (resource.metadata.creation_timestamp, resource.metadata.uid),
        default=None,
    )
