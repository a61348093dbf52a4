"""Limits on the size of an object's parts, which a schema can't set.

They bound what an object costs everybody: the API server that stores it, and the programs that list it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenure.domain.admission.request import Change

MAX_LABELS = 64

_KIB = 1024

Body = Mapping[str, Any]


@dataclass(frozen=True)
class _Bound:
    """A part of an object, its size in bytes, and its limit.

    Attributes:
        path: Path of the part.
        size: Measures the part of an object.
        most: Maximum size in bytes.
        per_spec: How often the size of the object's spec is added to the limit.
        advice: What to do if the part is too large.
    """

    path: str
    size: Callable[[Body], int]
    most: int
    per_spec: int = 0
    advice: str = "Remove some."


def metadata_refusals(change: Change[Any]) -> Iterator[str]:
    """Refuse parts of an object that are too large, unless they were as large before.

    A change that makes them smaller must be allowed.
    """
    if change.new is None:
        return
    new, old = change.new_body, change.old_body
    labels, labels_before = (len(_metadata(body, "labels") or ()) for body in (new, old))
    if labels > max(MAX_LABELS, labels_before):
        yield f"metadata.labels: {labels} labels, but at most {MAX_LABELS} are allowed. Remove some."
    for bound in BOUNDS:
        size, most = bound.size(new), bound.most
        if size > most and size > bound.size(old) and size > (most := most + bound.per_spec * _json_size(new["spec"])):
            yield f"{bound.path}: {size} bytes, but at most {most} are allowed. {bound.advice}"


def _map_size(path: str) -> Callable[[Body], int]:
    return lambda body: _text_size(_metadata(body, path))


def _list_size(path: str) -> Callable[[Body], int]:
    return lambda body: _json_size(found) if (found := _metadata(body, path)) else 0


def _applied_size(body: Body) -> int:
    """Return the size of the entries of server-side apply, of which there may be any number.

    The API server itself bounds the number of the other ones. So whoever makes many entries can't keep others from
    patching the object.
    """
    entries = _metadata(body, "managedFields") or ()
    applied = [entry for entry in entries if isinstance(entry, Mapping) and entry.get("operation") == "Apply"]
    return _json_size(applied) if applied else 0


def _template_size(body: Body) -> int:
    spec = body.get("spec")
    template = spec.get("secretTemplate") if isinstance(spec, Mapping) else None
    return sum(_text_size(texts) for texts in template.values()) if isinstance(template, Mapping) else 0


BOUNDS: Sequence[_Bound] = (
    _Bound("metadata.labels", _map_size("labels"), 8 * _KIB),
    # kubectl's last-applied-configuration repeats the spec and the other annotations.
    _Bound("metadata.annotations", _map_size("annotations"), 8 * _KIB, per_spec=2),
    _Bound("metadata.finalizers", _list_size("finalizers"), 2 * _KIB),
    _Bound("metadata.ownerReferences", _list_size("ownerReferences"), 4 * _KIB),
    _Bound(
        "metadata.managedFields",
        _applied_size,
        8 * _KIB,
        per_spec=2,
        advice="Apply with fewer field managers, or replace metadata.managedFields by [{}] first.",
    ),
    _Bound("spec.secretTemplate", _template_size, 8 * _KIB),
)


def _metadata(body: Body, field: str) -> Any:
    metadata = body.get("metadata")
    return metadata.get(field) if isinstance(metadata, Mapping) else None


def _text_size(texts: Any) -> int:
    if not isinstance(texts, Mapping):
        return 0
    return sum(len(key.encode()) + len(str(value).encode()) for key, value in texts.items())


def _json_size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
