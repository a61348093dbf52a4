"""Every state as GitOps tools read it: objects from the API server, and what each tool makes of them."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from support.api import Api
from support.arrangements import namespaces_for_states, reach, title
from support.judged import Judged, judged_plane
from support.world import World
from tenure.domain.reasons import STATES
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]


@pytest.fixture(scope="session")
def states(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Body]]:
    """Give an object in each state, by the state's title; under `new` one that was never reconciled."""
    with namespaces_for_states(control_plane, tmp_path_factory.mktemp("states")) as names:
        found = {}
        for state in STATES:
            api = Api(control_plane, names[title(state)])
            found[title(state)] = reach(World(api), state)
            api.close()
        some = next(iter(found.values()))
        found["new"] = {**some, "status": {"observedGeneration": -1}}
        yield found


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Give a control plane on which every change is judged."""
    with judged_plane(tmp_path_factory.mktemp("judged")) as judged:
        yield judged
