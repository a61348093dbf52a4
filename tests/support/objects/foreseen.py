"""What `tenure impact` says of an object without a cluster: all that the API server would refuse by its schema."""

from collections.abc import Mapping
from typing import Any

from tenure.domain.impact.tree import reviewed_body
from tenure.domain.resources import Resource
from tenure.impact.errors import BadInputError
from tenure.impact.objects import parse
from tenure.impact.schema import find_flaws, find_transition_flaws

Body = Mapping[str, Any]


def foreseen(resource: type[Resource], new: Body, old: Body | None = None) -> list[str]:
    """What is wrong with an object, or with the change of an object. Nothing, if the API server accepts it."""
    try:
        parse(resource, new, "default", strict=True)
    except BadInputError as error:
        return [str(error)]
    body = reviewed_body(new)
    changes = () if old is None else find_transition_flaws(resource, reviewed_body(old), body)
    return [*find_flaws(resource, body), *changes]
