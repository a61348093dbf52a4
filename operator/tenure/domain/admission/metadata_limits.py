"""Limits on metadata, which a schema can't set. They keep an object small enough to be changed again."""

from collections.abc import Iterator, Mapping
from typing import Any

from tenure.domain.admission.request import Change

MAX_LABELS = 64
MAX_ANNOTATIONS_BYTES = 64 * 1024


def metadata_refusals(change: Change[Any]) -> Iterator[str]:
    """Refuse labels and annotations that are too large, unless they were as large before.

    A change that makes them smaller must be allowed.
    """
    if change.new is None:
        return
    labels, labels_before = (len(_map(body, "labels")) for body in (change.new_body, change.old_body))
    if labels > max(MAX_LABELS, labels_before):
        yield f"metadata.labels: {labels} labels, but at most {MAX_LABELS} are allowed. Remove some."
    size, size_before = (_size(_map(body, "annotations")) for body in (change.new_body, change.old_body))
    if size > max(MAX_ANNOTATIONS_BYTES, size_before):
        yield f"metadata.annotations: {size} bytes, but at most {MAX_ANNOTATIONS_BYTES} are allowed. Remove some."


def _map(body: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    metadata = body.get("metadata") or {}
    found = metadata.get(field) if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _size(texts: Mapping[str, Any]) -> int:
    return sum(len(key.encode()) + len(str(value).encode()) for key, value in texts.items())
