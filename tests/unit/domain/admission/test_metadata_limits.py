"""Bounds on the parts of an object: what is too large is refused, unless it was so before."""

import json
from typing import Any

import pytest

from support.objects import manifests
from support.objects.reviewed import change
from tenure.domain.admission.metadata_limits import BOUNDS, MAX_LABELS, metadata_refusals
from tenure.domain.resources import ApiKey

Body = manifests.Body

MOST = {bound.path: bound.most for bound in BOUNDS}
PER_SPEC = {bound.path: bound.per_spec for bound in BOUNDS}
KEY = manifests.api_key("laptop", "alice")
SPEC = len(json.dumps(KEY["spec"], separators=(",", ":")))


def refusals(old: Body | None, new: Body | None) -> list[str]:
    return list(metadata_refusals(change(ApiKey, old=old, new=new)))


def labelled(number: int) -> Body:
    return manifests.marked(KEY, labels={f"l{n}": "x" for n in range(number)})


def sized(path: str, size: int) -> Body:
    """A key whose part has so many bytes."""
    metadata = KEY["metadata"]
    match path:
        case "metadata.labels" | "metadata.annotations":
            return {**KEY, "metadata": {**metadata, path.split(".")[1]: {"a": "x" * (size - 1)} if size else {}}}
        case "metadata.finalizers":
            return {**KEY, "metadata": {**metadata, "finalizers": ["x" * (size - 4)] if size else []}}
        case "metadata.ownerReferences":
            entry = {"name": "x" * (size - len('[{"name":""}]'))}
            return {**KEY, "metadata": {**metadata, "ownerReferences": [entry] if size else []}}
        case "metadata.managedFields":
            entry = {"operation": "Apply", "manager": "x" * (size - len('[{"operation":"Apply","manager":""}]'))}
            return {**KEY, "metadata": {**metadata, "managedFields": [entry] if size else []}}
        case _:
            return {**KEY, "spec": {**KEY["spec"], "secretTemplate": {"annotations": _template(size)}}}


def _template(size: int) -> dict[str, str]:
    names = [f"{n:02}" for n in range(20)]
    each, rest = divmod(size - 40, 20) if size else (-2, 0)
    return {name: "x" * (each + (rest if name == "00" else 0)) for name in names} if size else {}


def most(path: str) -> int:
    return MOST[path] + PER_SPEC[path] * SPEC


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (None, MAX_LABELS, False),
        (None, MAX_LABELS + 1, True),
        (0, MAX_LABELS + 1, True),
        (200, 201, True),
        (200, 200, False),
        (200, 0, False),
    ],
)
def test_labels_are_counted(before: int | None, after: int, refused: bool) -> None:  # noqa: FBT001
    said = refusals(None if before is None else labelled(before), labelled(after))
    assert said == (
        [f"metadata.labels: {after} labels, but at most {MAX_LABELS} are allowed. Remove some."] if refused else []
    )


@pytest.mark.parametrize("path", MOST)
def test_a_part_has_a_bound_unless_it_was_larger_before(path: str) -> None:
    bound = most(path)
    assert refusals(None, sized(path, 0)) == []
    assert refusals(None, sized(path, bound)) == []
    (said,) = refusals(None, sized(path, bound + 1))
    assert said.startswith(f"{path}: {bound + 1} bytes, but at most {bound} are allowed. ")
    assert len(refusals(sized(path, 0), sized(path, bound + 1))) == 1
    large = sized(path, 2 * bound)
    assert len(refusals(large, sized(path, 2 * bound + 1))) == 1
    assert refusals(large, large) == refusals(large, sized(path, 2 * bound - 1)) == refusals(large, None) == []


def test_bytes_are_measured_and_not_letters() -> None:
    body = manifests.marked(KEY, annotations={"a": "ü" * (most("metadata.annotations") // 2)})
    assert len(refusals(None, body)) == 1


def test_all_are_said() -> None:
    body = manifests.marked(KEY, labels={f"l{n}": "" for n in range(65)}, annotations={"a": "x" * 70_000})
    assert [said.partition(":")[0] for said in refusals(None, body)] == ["metadata.labels", "metadata.annotations"]


def test_there_is_room_for_what_kubectl_adds_to_a_large_spec() -> None:
    labels = {f"acme.io/{n}": "x" * 60 for n in range(20)}
    spec = {**KEY["spec"], "secretTemplate": {"labels": labels, "annotations": _template(5000)}}
    applied = json.dumps({**KEY, "spec": spec})
    assert (
        refusals(
            None, {**manifests.marked(KEY, annotations={"last-applied": applied, "note": "x" * 8000}), "spec": spec}
        )
        == []
    )


@pytest.mark.parametrize("entry", [{"operation": "Update"}, {}], ids=str)
def test_entries_that_the_api_server_bounds_are_not_measured(entry: dict[str, Any]) -> None:
    """So nobody keeps an Owner's patch from being stored, which adds such an entry."""
    full = {**KEY, "metadata": {**KEY["metadata"], "managedFields": [{**entry, "manager": "x" * 50_000}]}}
    assert refusals(KEY, full) == []
