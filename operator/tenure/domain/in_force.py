"""Finds the object in force if only one of several can be."""

from collections.abc import Sequence
from typing import TypeVar

from tenure.domain.resources import Resource

R = TypeVar("R", bound=Resource)


def oldest(resources: Sequence[R]) -> R | None:
    """Return the oldest object, which is the one in force. If two are equally old, the lower uid decides.

    Return None if there are no objects.
    """
    return min(
        resources,
        key=lambda resource: (resource.metadata.creation_timestamp, resource.metadata.uid),
        default=None,
    )
