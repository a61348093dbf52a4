"""Every state of the reference's table is reached on the real system, and says what it is to programs and people.

Each state has a namespace of its own; one operator serves them all.
"""

from collections.abc import Iterator, Mapping

import pytest

from support.api.api import Api
from support.cases.arrangements import ARRANGEMENTS, NOT_ARRANGED, REACHED, namespaces_for_states, reach, title
from support.cluster.world import World
from tenure.domain.reasons import STATES, State
from tenure_dev.controlplane import ControlPlane


@pytest.fixture(scope="module")
def namespaces(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with namespaces_for_states(control_plane, tmp_path_factory.mktemp("states")) as names:
        yield names


@pytest.fixture
def world(control_plane: ControlPlane, namespaces: Mapping[str, str], state: State) -> Iterator[World]:
    api = Api(control_plane, namespaces[title(state)])
    yield World(api)
    api.close()


@pytest.mark.parametrize("state", [pytest.param(state, id=title(state)) for state in REACHED])
def test_every_state_is_reached(world: World, state: State) -> None:
    body = reach(world, state)
    conditions = {condition["type"]: condition for condition in body["status"]["conditions"]}
    found = conditions[state.type]
    assert (found["status"], found["reason"]) == (state.status, state.reason)
    assert found["observedGeneration"] == body["metadata"]["generation"]
    assert found["message"].strip()
    assert ("Stalled" in conditions) is state.stalled
    if state.stalled:
        assert conditions["Stalled"]["reason"] == state.reason
        assert state.grace or conditions["Stalled"]["status"] == "True"  # Others are stalled some seconds later.


def test_the_table_holds_no_state_that_is_gone() -> None:
    assert list(ARRANGEMENTS) == [title(state) for state in REACHED]
    assert {title(state) for state in STATES} >= NOT_ARRANGED
