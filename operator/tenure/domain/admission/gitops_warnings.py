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

_URGENT: Sequence[str] = ("suspended", "suspendedMembers", "revision", "expiresAt")
"""Fields that you set by hand and leave out of Git."""


def reverted_warning(change: Change[Any]) -> str | None:
    """Return the warning that Flux reverts a field of this change, or None if it doesn't."""
    labels = _part(_part(change.new_body, "metadata"), "labels")
    if FLUX not in labels or not change.field_manager.startswith(_KUBECTL):
        return None
    before, after = _part(change.old_body, "spec"), _part(change.new_body, "spec")
    fields = [field for field in _URGENT if after.get(field) and after.get(field) != before.get(field)]
    if not fields:
        return None
    return (
        f"spec.{', '.join(fields)}: Flux reverts this within minutes, because kubectl is its field manager. To keep "
        "it, set it with kubectl apply --server-side --field-manager=incident"
    )


def _part(body: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = body.get(field)
    return found if isinstance(found, Mapping) else {}
