"""A control plane with Tenure on it, and an Owner who ends keys."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.api import Api
from support.judged import Judged, judged_plane
from support.revocation import Caller, caller
from support.world import World


@pytest.fixture(scope="package")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Give a control plane on which every change is judged."""
    with judged_plane(tmp_path_factory.mktemp("judged")) as judged:
        yield judged


@pytest.fixture
def world(judged: Judged) -> Iterator[World]:
    """Give a namespace of the judged control plane, as its administrator sees it."""
    name = f"test-{uuid4().hex[:10]}"
    judged.plane.kubectl("create", "namespace", name)
    api = Api(judged.plane, name)
    yield World(api)
    api.close()
    judged.plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def owner(judged: Judged, world: World, tmp_path: Path) -> Caller:
    """Give an Owner of the namespace."""
    return caller(judged.plane, world.api.namespace, "Owner", tmp_path)
