"""Tells who manages an object: a GitOps tool, another program, or people with kubectl. Unknown means managed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tenure.domain.resources.base import GITOPS_ANNOTATIONS, GITOPS_LABELS, ObjectMeta

BY_HAND = "by hand"
UNKNOWN = "unknown"

_BY_MARK: Mapping[str, str] = {
    **dict.fromkeys(GITOPS_ANNOTATIONS, "Argo CD"),
    **dict.fromkeys(GITOPS_LABELS, "Flux"),
}
_BY_FIELD_MANAGER: Mapping[str, str] = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "helm": "Helm",
    "Helm": "Helm",
}


@dataclass(frozen=True)
class Manager:
    """Who manages an object.

    Attributes:
        name: The tool, for example `Argo CD`, or `by hand`, or else the field managers.
        by_hand: Whether only people's commands wrote the object, by the rule of `keys.onRoleChange: Auto`. A change
            by hand of any other object may be reverted.
        reverts: Whether it is Flux, which takes back what kubectl sets under its own name.
    """

    name: str
    by_hand: bool
    reverts: bool = False


def manager_of(metadata: ObjectMeta, body: Mapping[str, Any]) -> Manager:
    """Return who manages an object, by its labels, annotations and field managers."""
    if metadata.handmade:
        return Manager(BY_HAND, by_hand=True)
    writers = list(dict.fromkeys(_writers(body)))
    if metadata.gitops_mark is not None:
        name = _BY_MARK[metadata.gitops_mark]
    else:
        known = [_BY_FIELD_MANAGER[writer] for writer in writers if writer in _BY_FIELD_MANAGER]
        name = known[0] if known else ", ".join(writers) or UNKNOWN
    return Manager(name, by_hand=False, reverts=name == "Flux")


def _writers(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the field managers of an object, apart from those of its status."""
    for entry in (body.get("metadata") or {}).get("managedFields") or ():
        if not entry.get("subresource") and entry.get("manager"):
            yield str(entry["manager"])
