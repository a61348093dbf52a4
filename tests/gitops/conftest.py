"""Every state as GitOps tools read it from the API server, and a control plane on which every change is judged."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.api import Api
from support.arrangements import ACME, ALICE, LAPTOP, REACHED, namespaces_for_states, reach, title
from support.identity import CONTROLLER, config_of
from support.judged import Judged, judged_plane
from support.operator_process import OperatorProcess
from support.repository import Repository, samples
from support.world import World
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]


@pytest.fixture(scope="package")
def states(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Body]]:
    """Give an object in each state, by the state's title, and objects that Tenure didn't look at (again) yet."""
    folder = tmp_path_factory.mktemp("states")
    with namespaces_for_states(control_plane, folder) as names:
        found = {}
        for state in REACHED:
            api = Api(control_plane, names[title(state)])
            found[title(state)] = reach(World(api), state)
            api.close()
        yield {**found, **unseen(control_plane, folder)}


def unseen(plane: ControlPlane, folder: Path) -> dict[str, Body]:
    """Objects that no operator has seen, and the same when one had seen them and they changed after its end."""
    name = f"test-{uuid4().hex[:10]}"
    plane.kubectl("create", "namespace", name)
    api = Api(plane, name)
    world = World(api)
    found = {f"{body['kind']} new": body for body in world.create(ACME, ALICE, LAPTOP)}
    with OperatorProcess(config_of(plane, CONTROLLER), folder / "unseen.log", f"--namespace={name}"):
        world.issue("laptop", within=30)
        world.wait_counted(within=30)
    for plural, object_name, spec in (
        ("organizations", "acme", {"displayName": "Acme"}),
        ("memberships", "alice", {"role": "Viewer"}),
        ("apikeys", "laptop", {"revision": 2}),
    ):
        body = api.patch(plural, object_name, {"spec": spec})
        found[f"{body['kind']} changed"] = body
    api.close()
    plane.kubectl("delete", "namespace", name, "--wait=false")
    return found


@pytest.fixture(scope="package")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Give a control plane on which every change is judged."""
    with judged_plane(tmp_path_factory.mktemp("judged")) as judged:
        yield judged


@pytest.fixture
def repository(judged: Judged) -> Iterator[Repository]:
    """Give a repository with the samples and an empty namespace for them."""
    name = f"test-{uuid4().hex[:10]}"
    judged.plane.kubectl("create", "namespace", name)
    yield Repository(judged.plane, name, samples(name))
    judged.plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def world(judged: Judged, repository: Repository) -> Iterator[World]:
    """Give the repository's namespace as its administrator sees it."""
    api = Api(judged.plane, repository.namespace)
    yield World(api)
    api.close()
