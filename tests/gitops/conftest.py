"""Every state as GitOps tools read it from the API server, and repositories on the judged control plane."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.api.api import Api
from support.api.client import fresh_namespace
from support.cases.arrangements import ACME, ALICE, LAPTOP, REACHED, namespaces_for_states, reach, title
from support.cases.health import conditions
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import World, fresh_world
from support.objects.repository import Repository, samples
from support.programs.judged import Judged
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]
LONG_AGO = "2026-01-01T00:00:00Z"


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
        for state in REACHED:
            if state.grace:
                found[title(state)] = stalled(control_plane, found[title(state)])
        yield {**found, **unseen(control_plane, folder)}


def stalled(plane: ControlPlane, body: Body) -> Body:
    """The object once waiting is hopeless: until its grace is over, another write could still end the state.

    The grace is made to have begun earlier, because that of a missing reference takes minutes.
    """
    api = Api(plane, body["metadata"]["namespace"])
    old = body["status"]["conditions"]
    early = [{**one, "lastTransitionTime": LONG_AGO} if one["type"] == "Stalled" else one for one in old]
    api.patch(f"{body['kind'].lower()}s", body["metadata"]["name"], {"status": {"conditions": early}}, "status")

    def read() -> Body | None:
        now = api.get(f"{body['kind'].lower()}s", body["metadata"]["name"])
        return now if now is not None and conditions(now)["Stalled"]["status"] == "True" else None

    found = eventually(read, within=30, describe=f"{body['kind']} {old[0]['reason']} is stalled")
    api.close()
    assert found is not None
    return found


def unseen(plane: ControlPlane, folder: Path) -> dict[str, Body]:
    """Objects that no operator has seen, and the same when one had seen them and they changed after its end."""
    with fresh_world(plane) as world:
        found = {f"{body['kind']} new": body for body in world.create(ACME, ALICE, LAPTOP)}
        served = f"--namespace={world.api.namespace}"
        with OperatorProcess(config_of(plane, CONTROLLER), folder / "unseen.log", served):
            world.issue("laptop", within=30)
            world.wait_counted(within=30)
        for plural, name, spec in (
            ("organizations", "acme", {"displayName": "Acme"}),
            ("memberships", "alice", {"role": "Viewer"}),
            ("apikeys", "laptop", {"revision": 2}),
        ):
            body = world.api.patch(plural, name, {"spec": spec})
            found[f"{body['kind']} changed"] = body
    return found


@pytest.fixture
def repository(judged: Judged) -> Iterator[Repository]:
    """Give a repository with the samples and an empty namespace for them."""
    with fresh_namespace(judged.plane) as client:
        yield Repository(judged.plane, client.namespace, samples(client.namespace))


@pytest.fixture
def world(judged: Judged, repository: Repository) -> Iterator[World]:
    """Give the repository's namespace as its administrator sees it."""
    with closing(Api(judged.plane, repository.namespace)) as api:
        yield World(api)
