"""Whoever sets something in a hurry is told when Flux would take it back."""

from typing import Any

import pytest

from tenure.domain.admission.gitops_warnings import FLUX, reverted_warning
from tenure.domain.admission.request import Change
from tenure.domain.admission.verdict import MAX_WARNING
from tenure.domain.operations import Operation
from tenure.domain.permissions import Requester

Body = dict[str, Any]

SUSPENSION = {"suspendedMembers": [{"name": "alice"}]}


def changed(old: Body, new: Body | None, *, manager: str = "kubectl-patch", labels: Body | None = None) -> Change[Any]:
    metadata = {"labels": {FLUX: "acme"} if labels is None else labels}
    bodies = ({"metadata": metadata, "spec": old}, {} if new is None else {"metadata": metadata, "spec": new})
    who = Requester(username="root")
    return Change(Operation.UPDATE, who, "acme", None, None, *bodies, field_manager=manager)


@pytest.mark.parametrize("manager", ["kubectl-patch", "kubectl-edit", "kubectl-client-side-apply", "kubectl"])
def test_what_kubectl_sets_in_its_own_name_is_taken_back(manager: str) -> None:
    said = reverted_warning(changed({}, SUSPENSION, manager=manager))
    assert said is not None
    assert said.startswith("spec.suspendedMembers: Flux reverts this within minutes")
    assert "--field-manager=incident" in said


@pytest.mark.parametrize(
    "spec",
    [{"suspended": True}, SUSPENSION, {"revision": 2}, {"expiresAt": "2027-01-31T00:00:00Z"}],
    ids=lambda spec: next(iter(spec)),
)
def test_a_field_set_in_a_hurry_is_named(spec: Body) -> None:
    assert str(reverted_warning(changed({}, spec))).startswith(f"spec.{next(iter(spec))}: ")


@pytest.mark.parametrize("spec", [{"revision": 2}, {"revision": 2, "suspended": True}], ids=["alone", "beside another"])
def test_what_flux_cannot_set_back_stops_its_kustomization(spec: Body) -> None:
    said = str(reverted_warning(changed({}, spec)))
    assert said.startswith("spec.revision: Flux can't set this back and applies nothing of its Kustomization until Git")
    assert "reverts" not in said


def test_all_fields_together_fit_into_a_warning() -> None:
    everything = {"suspended": True, **SUSPENSION, "revision": 2, "expiresAt": "2027-01-31T00:00:00Z"}
    assert len(str(reverted_warning(changed({}, everything)))) <= MAX_WARNING


@pytest.mark.parametrize(
    "change",
    [
        changed({}, SUSPENSION, manager="incident"),
        changed({}, SUSPENSION, manager="kustomize-controller"),
        changed({}, SUSPENSION, manager=""),
        changed({}, SUSPENSION, labels={}),
        changed(SUSPENSION, SUSPENSION),
        changed(SUSPENSION, {}),
        changed({"suspended": True}, {"suspended": False}),
        changed({"role": "Member"}, {"role": "Viewer"}),
        changed(SUSPENSION, None),
    ],
    ids=[
        *("another manager", "Flux itself", "nobody's name", "not Flux's object", "as before", "taken away"),
        *("false", "a field of Git's", "deleted"),
    ],
)
def test_nothing_is_said_of(change: Change[Any]) -> None:
    assert reverted_warning(change) is None


def test_an_object_without_metadata_is_nobodys() -> None:
    who = Requester(username="root")
    bodies: tuple[Body, Body] = ({}, {"metadata": {"labels": None}, "spec": None})
    change: Change[Any] = Change(Operation.UPDATE, who, "acme", None, None, *bodies, field_manager="kubectl")
    assert reverted_warning(change) is None
