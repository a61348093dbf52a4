"""The difference that a change makes to its object, as lines of YAML."""

from collections.abc import Mapping
from difflib import unified_diff
from typing import Any

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.impact.tree import Address
from tenure.viewmodel.edits import Action, Edit
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import as_document, as_yaml

_CONTEXT = 2
_HEADER = 2


def edit_diff(snapshot: Snapshot, edit: Edit) -> tuple[str, ...]:
    """Return the lines of a unified diff of the object's fields, each with `+`, `-` or a blank before it."""
    before = shown_fields(snapshot, edit)
    match edit.action:
        case Action.CREATE:
            after = as_document(edit.manifest)
        case Action.DELETE:
            after = {}
        case Action.CHANGE:
            after = merged(before, as_document(edit.patch))
    lines = unified_diff(_lines(before), _lines(after), n=_CONTEXT, lineterm="")
    return tuple(lines)[_HEADER:]


def shown_fields(snapshot: Snapshot, edit: Edit) -> dict[str, Any]:
    """Return the fields of the edit's object that people write, or none if it doesn't exist."""
    body = snapshot.tree.bodies.get((edit.kind, Address(edit.namespace, edit.name)))
    if body is None:
        return {}
    acknowledged = (body["metadata"].get("annotations") or {}).get(ANNOTATION)
    metadata = {"metadata": {"annotations": {ANNOTATION: acknowledged}}} if acknowledged else {}
    return {**metadata, "spec": as_document(body["spec"])}


def merged(target: Any, patch: Any) -> Any:
    """Return a value with a merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _lines(document: Mapping[str, Any]) -> list[str]:
    return as_yaml(document).splitlines() if document else []
