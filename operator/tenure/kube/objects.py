"""Objects in requests and answers: their paths, the pages of their lists, and how they are parsed."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from tenure.domain.resources import Resource
from tenure.domain.resources.base import GROUP, VERSION
from tenure.errors import MalformedObjectError

R = TypeVar("R", bound=Resource)

PAGE_SIZE = 100
"""Number of objects in a page of a list. A page is parsed at once, and its objects may be large."""
LARGEST_PAGE = 300
"""The same, for lists of all objects, if the page before has shown that they are small. The API server takes nearly as
long for 100 objects as for 300."""
_PAGE_BYTES = 1 << 20


def next_page(limit: int, size: int, largest: int) -> int:
    """The number of objects to ask for after a page of `limit` objects and `size` bytes."""
    return max(PAGE_SIZE, min(largest, limit * _PAGE_BYTES // max(size, 1)))


def parse(resource: type[R], body: Mapping[str, Any]) -> R:
    """Parse an object.

    Raises:
        MalformedObjectError: it doesn't fit the schema. The text names the object and the field.
    """
    try:
        return resource.from_body(body)
    except ValidationError as error:
        metadata = body.get("metadata") or {}
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise MalformedObjectError(
            f"{resource.kind} {metadata.get('namespace')}/{metadata.get('name')}: {field}: {first['msg']}"
        ) from error


def collection_path(resource: type[Resource], namespace: str | None) -> str:
    """The path of all objects of a kind, in one namespace or in all."""
    place = "" if namespace is None else f"/namespaces/{namespace}"
    return f"/apis/{GROUP}/{VERSION}{place}/{resource.plural}"


def object_path(resource: type[Resource], namespace: str, name: str) -> str:
    """The path of an object."""
    return f"{collection_path(resource, namespace)}/{name}"
