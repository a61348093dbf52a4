"""Bounds on metadata: what is too large is refused, unless it was so before."""

import pytest

from support.objects import manifests
from support.objects.reviewed import change
from tenure.domain.admission.metadata_limits import MAX_ANNOTATIONS_BYTES, MAX_LABELS, metadata_refusals
from tenure.domain.resources import Membership

Body = manifests.Body


def labelled(number: int) -> Body:
    return manifests.marked(manifests.member("alice"), labels={f"l{n}": "x" for n in range(number)})


def annotated(size: int) -> Body:
    return manifests.marked(manifests.member("alice"), annotations={"a": "x" * (size - 1)} if size else {})


def refusals(old: Body | None, new: Body | None) -> list[str]:
    return list(metadata_refusals(change(Membership, old=old, new=new)))


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (None, 0, False),
        (None, MAX_LABELS, False),
        (None, MAX_LABELS + 1, True),
        (0, MAX_LABELS + 1, True),
        (200, 201, True),
        (200, 200, False),
        (200, 199, False),
        (200, 0, False),
    ],
)
def test_labels_are_counted(before: int | None, after: int, refused: bool) -> None:  # noqa: FBT001
    said = refusals(None if before is None else labelled(before), labelled(after))
    assert said == (
        [f"metadata.labels: {after} labels, but at most {MAX_LABELS} are allowed. Remove some."] if refused else []
    )


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (None, 0, False),
        (None, MAX_ANNOTATIONS_BYTES, False),
        (None, MAX_ANNOTATIONS_BYTES + 1, True),
        (0, MAX_ANNOTATIONS_BYTES + 1, True),
        (90_000, 90_001, True),
        (90_000, 90_000, False),
        (90_000, 80_000, False),
    ],
)
def test_annotations_are_measured_with_their_names(before: int | None, after: int, refused: bool) -> None:  # noqa: FBT001
    said = refusals(None if before is None else annotated(before), annotated(after))
    wanted = f"metadata.annotations: {after} bytes, but at most {MAX_ANNOTATIONS_BYTES} are allowed. Remove some."
    assert said == ([wanted] if refused else [])


def test_bytes_are_measured_and_not_letters() -> None:
    body = manifests.marked(manifests.member("alice"), annotations={"a": "ü" * (MAX_ANNOTATIONS_BYTES // 2)})
    assert len(refusals(None, body)) == 1


def test_both_are_said() -> None:
    body = manifests.marked(
        manifests.member("alice"), labels={f"l{n}": "" for n in range(65)}, annotations={"a": "x" * 70_000}
    )
    assert [said.partition(":")[0] for said in refusals(None, body)] == ["metadata.labels", "metadata.annotations"]


def test_a_removal_is_never_too_large() -> None:
    assert refusals(labelled(500), None) == []
