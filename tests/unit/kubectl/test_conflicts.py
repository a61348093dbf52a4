"""A change is made again after a conflict, if it is still the one that was shown."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from support.objects.builders import api_key, issued, membership, organization
from support.objects.snapshots import snapshot
from tenure.errors import ConflictError
from tenure.kubectl import changing
from tenure.kubectl.changing import CONFLICTS, _make_one
from tenure.kubectl.session import Session
from tenure.viewmodel import edits
from tenure.viewmodel.edits import Edit
from tenure.viewmodel.snapshot import Snapshot

ORG, ALICE = organization(), membership("alice")
KEY = issued(api_key("laptop"), ALICE, ORG)


class Namespace:
    """A session of which only the objects matter."""

    cluster = None

    async def snapshot(self) -> Snapshot:
        return snapshot(ORG, ALICE, KEY)


@pytest.mark.parametrize(
    ("conflicts", "is_same", "made"),
    [(0, True, ["1"]), (1, True, ["1", "2"]), (1, False, ["1"]), (CONFLICTS + 1, True, ["1", "2", "2", "2"])],
)
async def test_a_conflict(monkeypatch: pytest.MonkeyPatch, conflicts: int, made: list[str], *, is_same: bool) -> None:
    tried: list[str] = []

    async def make(_: Any, edit: Edit) -> list[str]:
        tried.append(edit.resource_version)
        if len(tried) <= conflicts:
            raise ConflictError("it changed")
        return ["done"]

    def plan(_: Snapshot) -> Sequence[Edit]:
        patch = shown.patch if is_same else {"spec": {"rotation": {"request": 9}}}
        return [replace(shown, resource_version="2", patch=patch)]

    (shown,) = edits.rotate(await Namespace().snapshot(), "laptop").changes
    monkeypatch.setattr(changing, "make_edit", make)
    session = cast("Session", Namespace())
    if conflicts and (not is_same or conflicts > CONFLICTS):
        with pytest.raises(ConflictError):
            await _make_one(session, shown, plan)
    else:
        assert await _make_one(session, shown, plan) == ["done"]
    assert tried == made
