"""Find the objects of Tenure's in parsed documents, and check that the API server would accept them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from tenure.domain.impact.assumptions import LONG_AGO
from tenure.domain.resources import KINDS, Resource
from tenure.domain.resources.base import API_VERSION, GROUP, NAME_LENGTH, format_time
from tenure.domain.schema import unknown_fields
from tenure.impact.documents import RENDER, Opaque, nested
from tenure.impact.errors import BadInputError

_BY_KIND: Mapping[str, type[Resource]] = {resource.kind: resource for resource in KINDS}
_LIST = "List"

_METADATA = {
    *("name", "generateName", "namespace", "labels", "annotations", "finalizers", "ownerReferences"),
    *("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    *("managedFields", "selfLink"),
}
_LARGEST = 3 * 1024 * 1024
"""Maximum size of a request to the API server in bytes."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:(?P<prefix>{_LABEL}(\.{_LABEL})*)/)?{_WORD}")
_LABEL_VALUE = re.compile(rf"({_WORD})?")


def find_objects(document: Any) -> Iterator[tuple[type[Resource], Mapping[str, Any]]]:
    """Yield the objects of Tenure's in a document: the document itself, or the items of a list.

    kubectl takes everything that has items for a list, whatever its kind.

    Raises:
        BadInputError: an object isn't recognized, or is inside of another object.
    """
    if not isinstance(document, Mapping):
        if any(map(_is_ours, nested(document))):
            raise BadInputError(f"a manifest can't be a list without a kind. {RENDER}")
        return
    items = document.get("items")
    if isinstance(items, list):
        for item in items:
            if isinstance(item, Mapping) and isinstance(item.get("items"), list):
                raise BadInputError("a list can't be inside of another list")
            yield from find_objects(_completed(item, document))
        return
    resource = _kind(document)
    if resource is not None:
        yield resource, document
        return
    for inner in nested(document):
        if _is_ours(inner):
            what = f"{inner.get('kind')} is inside of {document.get('kind') or 'another object'}"
            raise BadInputError(f"an object of kind {what}. {RENDER}")


def parse(resource: type[Resource], body: Mapping[str, Any], namespace: str, *, strict: bool) -> Resource:
    """Return the object that the API server would store.

    `strict` refuses all that the API server refuses by the type of a value. Without it, an object counts that some
    older version of the schema may have accepted.

    Raises:
        BadInputError: the API server would refuse the object. The text names it and the field.
    """
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name, place = metadata.get("name"), metadata.get("namespace") or namespace
    if not name:
        raise BadInputError(f"{resource.kind}: metadata.name is missing")
    what = f"{resource.kind} {place}/{name}"
    for flaw in (*_metadata_flaws(name, place, metadata), *_unknown(resource, body)):
        raise BadInputError(f"{what}: {flaw}")
    kept = {
        "name": name,
        "namespace": place,
        "labels": metadata.get("labels"),
        "annotations": metadata.get("annotations"),
        "ownerReferences": metadata.get("ownerReferences"),
        "uid": f"{resource.kind}/{name}",
        "resourceVersion": "0",
        "generation": 1,
        "creationTimestamp": format_time(LONG_AGO),
    }
    try:
        spec = _as_json(body.get("spec"))
        if strict:
            _check_types(resource, spec)
        return resource.from_body({"metadata": kept, "spec": spec})
    except ValidationError as error:
        raise BadInputError(f"{what}: {_first(error)}") from error
    except ValueError as error:
        raise BadInputError(f"{what}: {error}") from error


def _check_types(resource: type[Resource], spec: Any) -> None:
    """Check that a spec's values have the types of the schema. A number isn't text, and text isn't a number.

    Raises:
        ValueError: a value has another type than the schema says.
    """
    try:
        _spec_model(resource).model_validate_json(json.dumps({"spec": spec}), strict=True)
    except ValidationError as error:
        # In JSON a time is text. The models parse it, and the schema's rules check its form.
        if flaw := _first(error, lambda one: one["type"] != "datetime_type" or not isinstance(one["input"], str)):
            raise ValueError(flaw) from error


def _first(error: ValidationError, counts: Callable[[Any], bool] = lambda _: True) -> str:
    """Return the first flaw that counts with its field, or an empty text if none counts."""
    flaw = next(filter(counts, error.errors(include_url=False)), None)
    return "" if flaw is None else f"{'.'.join(map(str, flaw['loc'])) or 'spec'}: {flaw['msg']}"


@cache
def _spec_model(resource: type[Resource]) -> type[BaseModel]:
    spec: Any = resource.model_fields["spec"].annotation
    return create_model(resource.kind, spec=(spec, ...))


def _kind(document: Mapping[str, Any]) -> type[Resource] | None:
    """Return the kind of an object of Tenure's, or None if it is somebody else's."""
    version, kind = document.get("apiVersion"), document.get("kind")
    if isinstance(version, Opaque) or isinstance(kind, Opaque):
        raise BadInputError("apiVersion and kind must be plain text, without a tag")
    text = f"{version} {kind}"
    if "${" in text or "{{" in text:
        raise BadInputError(f"{version}, kind {kind}: this has variables. {RENDER}")
    if not isinstance(version, str) or version.partition("/")[0] != GROUP:
        return None
    resource = _BY_KIND.get(kind) if isinstance(kind, str) else None
    if version != API_VERSION or resource is None:
        kinds = ", ".join(_BY_KIND)
        raise BadInputError(f"{version} has no kind {kind}. Use {API_VERSION} with one of {kinds}.")
    return resource


def _completed(item: Any, parent: Mapping[str, Any]) -> Any:
    """Return an item of a typed list such as MembershipList, whose items need not repeat their kind."""
    kind = parent.get("kind")
    if not isinstance(item, Mapping) or item.get("kind") or not isinstance(kind, str) or kind == _LIST:
        return item
    return {"apiVersion": parent.get("apiVersion"), "kind": kind.removesuffix(_LIST), **item}


def _is_ours(body: Mapping[Any, Any]) -> bool:
    """Return whether a part of something looks like a whole object. A mention of an object has no spec."""
    return str(body.get("apiVersion")).partition("/")[0] == GROUP and "spec" in body


def _metadata_flaws(name: Any, namespace: Any, metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the API server would refuse in the metadata."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        yield "metadata.name: must be at most 63 lower-case letters, digits, dashes and dots. Put it into quotes."
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace) or len(namespace) > NAME_LENGTH:
        yield "metadata.namespace: must be at most 63 lower-case letters, digits and dashes. Put it into quotes."
    for field in sorted(str(one) for one in metadata if one not in _METADATA):
        yield f"metadata.{field}: unknown field"
    for field, pattern in (("labels", _LABEL_VALUE), ("annotations", None)):
        texts = metadata.get(field) or {}
        if not isinstance(texts, Mapping):
            yield f"metadata.{field}: must be a map of names and values"
            continue
        for key, value in texts.items():
            yield from (f"metadata.{field}.{key}: {flaw}" for flaw in _text_flaws(key, value, pattern))


def _text_flaws(key: Any, value: Any, pattern: re.Pattern[str] | None) -> Iterator[str]:
    found = _KEY.fullmatch(key) if isinstance(key, str) else None
    if found is None or len(found["prefix"] or "") > 253:  # noqa: PLR2004 - the longest name of a domain
        yield "isn't a name that Kubernetes allows"
    if not isinstance(value, str):
        yield "the value must be text. Put it into quotes."
    elif pattern is not None and not pattern.fullmatch(value):
        yield "the value must be at most 63 letters, digits, dashes, dots and underscores"


def _unknown(resource: type[Resource], body: Mapping[str, Any]) -> Iterator[str]:
    for field in unknown_fields(resource, body):
        yield f"{field}: unknown field"


def _as_json(value: Any) -> Any:
    """Return a spec as the API server would read it from JSON.

    Raises:
        ValueError: JSON doesn't have such a value, or the object is too large.
    """
    encoder = json.JSONEncoder(allow_nan=False, default=_refuse)
    parts: list[str] = []
    room = _LARGEST
    try:
        # Part by part, because anchors make a small file a large object.
        for part in encoder.iterencode(value):
            parts.append(part)
            room -= len(part)
            if room < 0:
                break
    except ValueError as error:
        raise ValueError(f"spec: {error}") from error
    if room < 0:
        raise ValueError("spec: the object is too large for the API server")
    return json.loads("".join(parts))


def _refuse(_: Any) -> Any:
    raise ValueError("a value has a tag that JSON doesn't have. Write plain text.")
