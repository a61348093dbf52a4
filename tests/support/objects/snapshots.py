"""Snapshots of a namespace, from the objects of tests."""

from collections.abc import Mapping, Sequence
from typing import Any

from support.objects.builders import NAMESPACE, NOW
from tenure.domain.resources import Resource
from tenure.domain.resources.base import API_VERSION
from tenure.viewmodel.snapshot import Snapshot

HAND = ({"manager": "kubectl-create"},)
ARGO = ({"manager": "argocd-controller"},)
FLUX = ({"manager": "kustomize-controller"},)


def body_of(
    one: Resource, annotations: Mapping[str, str] | None = None, managers: Sequence[Any] = HAND
) -> dict[str, Any]:
    """An object as the API server sends it."""
    metadata = {"name": one.name, "namespace": one.namespace, "managedFields": list(managers)}
    spec = one.model_dump(by_alias=True, exclude_none=True, mode="json", include={"spec"})
    noted = {"annotations": dict(annotations)} if annotations else {}
    return {"apiVersion": API_VERSION, "kind": one.kind, "metadata": {**metadata, **noted}, **spec}


def snapshot(*objects: Resource, managers: Sequence[Any] = HAND, hidden: Mapping[str, str] | None = None) -> Snapshot:
    """A namespace of objects that are all managed alike."""
    handmade = managers is HAND
    marked = [
        one.model_copy(update={"metadata": one.metadata.model_copy(update={"handmade": handmade})}) for one in objects
    ]
    return Snapshot.of(NAMESPACE, NOW, [(one, body_of(one, managers=managers)) for one in marked], hidden)
