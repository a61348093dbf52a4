"""Warns about fields that Flux reverts, because you set them in an emergency with kubectl's own field manager.

Flux takes over the fields of every field manager whose name begins with `kubectl`, and removes those that Git doesn't
have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tenure.domain.admission.request import Change

FLUX = "kustomize.toolkit.fluxcd.io/name"
"""The label by which Flux claims an object."""

_KUBECTL = "kubectl"

_REVERTED: Sequence[str] = ("suspended", "suspendedMembers")
"""Fields that you set by hand and leave out of Git, and that Flux removes."""

_IRREVERSIBLE: Sequence[str] = ("revision", "expiresAt")
"""Fields that Flux would set back too, but the API server rejects that. Flux then applies nothing any more."""

_COMMAND = "kubectl apply --server-side --field-manager=incident"


def reverted_warning(change: Change[Any]) -> str | None:
    """Return the warning about what Flux does to a field of this change, or None if it does nothing."""
    labels = _part(_part(change.new_body, "metadata"), "labels")
    if FLUX not in labels or not change.field_manager.startswith(_KUBECTL):
        return None
    before, after = _part(change.old_body, "spec"), _part(change.new_body, "spec")
    changed = [field for field in after if after.get(field) and after.get(field) != before.get(field)]
    if stuck := [field for field in _IRREVERSIBLE if field in changed]:
        return (
            f"spec.{', '.join(stuck)}: Flux can't set this back and applies nothing of its Kustomization until Git has "
            f"the same value. Commit it, or set it with {_COMMAND}"
        )
    if reverted := [field for field in _REVERTED if field in changed]:
        return (
            f"spec.{', '.join(reverted)}: Flux reverts this within minutes, because kubectl is its field manager. To "
            f"keep it, set it with {_COMMAND}"
        )
    return None


def _part(body: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = body.get(field)
    return found if isinstance(found, Mapping) else {}
