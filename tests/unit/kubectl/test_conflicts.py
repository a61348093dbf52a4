"""A change is made again after a conflict, if it is still the one that was shown."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from support.objects.builders import api_key, edited, issued, membership, organization
from support.objects.snapshots import snapshot
from tenure.domain.roles import Role
from tenure.errors import ConflictError
from tenure.kube import edits as making
from tenure.kube import session
from tenure.kube.cluster import Cluster
from tenure.kube.edits import CONFLICTS
from tenure.kube.session import Session
from tenure.kubectl.changing import _make_one
from tenure.viewmodel import edits
from tenure.viewmodel.edits import Edit
from tenure.viewmodel.preview import removal_preview, role_preview
from tenure.viewmodel.snapshot import Snapshot

ORG, ALICE = organization(), membership("alice")
KEY = issued(api_key("laptop"), ALICE, ORG)


class Namespace:
    """A session of which only the objects matter."""

    cluster = None

    async def snapshot(self) -> Snapshot:
        return snapshot(ORG, ALICE, KEY)


def test_a_change_isnt_made_again_if_it_would_revoke_other_keys_than_were_shown() -> None:
    """A key was issued after the preview, or was handed over after a person decided to revoke it."""
    more = issued(api_key("cron"), ALICE, ORG)
    before, after = snapshot(ORG, ALICE, KEY), snapshot(ORG, ALICE, KEY, more)
    assert removal_preview(before, "alice").edit.same_as(removal_preview(before, "alice").edit)
    assert not removal_preview(after, "alice").edit.same_as(removal_preview(before, "alice").edit)
    assert not role_preview(after, "alice", Role.VIEWER).edit.same_as(role_preview(before, "alice", Role.VIEWER).edit)
    (shown,) = edits.revoke(before, "laptop").changes
    (given,) = edits.revoke(snapshot(ORG, ALICE, edited(KEY, membership="bob")), "laptop").changes
    assert not given.same_as(shown)


def test_a_command_that_names_the_version_doesnt_make_it_another_change() -> None:
    newer = ORG.model_copy(update={"metadata": ORG.metadata.model_copy(update={"resource_version": "2"})})
    (shown,) = edits.suspend(snapshot(ORG, ALICE, KEY), member="alice").changes
    (later,) = edits.suspend(snapshot(newer, ALICE, KEY), member="alice").changes
    assert shown.command != later.command
    assert later.same_as(shown)


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
    monkeypatch.setattr(making, "make_edit", make)
    here = cast("Session", Namespace())
    if conflicts and (not is_same or conflicts > CONFLICTS):
        with pytest.raises(ConflictError):
            await _make_one(here, shown, plan)
    else:
        assert await _make_one(here, shown, plan) == ["done"]
    assert tried == made


async def test_a_snapshot_knows_the_context_that_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(*_: Any) -> Snapshot:
        return snapshot(ORG, ALICE, KEY)

    monkeypatch.setattr(session, "read_snapshot", read)
    assert (await Session(cast("Cluster", None), "acme", "prod").snapshot()).context == "prod"
