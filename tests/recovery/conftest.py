"""An Owner who ends keys, on the control plane on which every change is judged."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster.world import World, fresh_world
from support.programs.judged import Judged
from support.programs.revocation import Caller, caller


@pytest.fixture
def world(judged: Judged) -> Iterator[World]:
    """Give a namespace of the judged control plane, as its administrator sees it."""
    with fresh_world(judged.plane) as world:
        yield world


@pytest.fixture
def owner(judged: Judged, world: World, tmp_path: Path) -> Caller:
    """Give an Owner of the namespace."""
    return caller(judged.plane, world.api.namespace, "Owner", tmp_path)
