"""No annotation of Kopf's hides a role change: the operator stores nothing there and reads nothing from there.

Whoever may change a role may write these annotations in the very same patch, and Kopf's own change detection would
believe them.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.api import Api
from support.identity import CONTROLLER, config_of
from support.manifests import api_key, marked, member, organization
from support.operator_process import OperatorProcess
from support.world import World
from tenure_dev.controlplane import ControlPlane

Annotations = dict[str, str | None]

LAST_HANDLED = "kopf.zalando.org/last-handled-configuration"
PROGRESS = "kopf.zalando.org/memberships"
TOUCH = "kopf.zalando.org/touch-dummy"
STARTED = {"started": "2027-02-22T08:30:00.000000+00:00", "purpose": "update", "retries": 1}
BROKEN = {"brace": "{", "list": "[]", "number": "5", "null": "null", "text": "no JSON", "empty": ""}


def essence(name: str, role: str) -> str:
    """Return what Kopf would store of a Membership that it had handled with that role."""
    return json.dumps({"spec": {**member(name)["spec"], "role": role}}, separators=(",", ":")) + "\n"


def progress(**state: Any) -> str:
    return json.dumps({**STARTED, **state})


FORGERIES: dict[str, Annotations] = {
    "the change as if handled": {LAST_HANDLED: "new essence"},
    "an older state as if handled": {LAST_HANDLED: "old essence"},
    "the handler as if done": {PROGRESS: progress(success=True, stopped=STARTED["started"])},
    "the handler as if failed": {PROGRESS: progress(failure=True, stopped=STARTED["started"])},
    "the handler as if delayed": {PROGRESS: progress(delayed="2999-01-01T00:00:00.000000+00:00")},
    "touched": {TOUCH: "2027-02-22T08:30:00.000000"},
    "all as if done": {LAST_HANDLED: "new essence", PROGRESS: progress(success=True), TOUCH: "now"},
    **{
        f"{annotation.partition('/')[2]} {what}": {annotation: value}
        for annotation in (LAST_HANDLED, PROGRESS, TOUCH)
        for what, value in {**BROKEN, "removed": None}.items()
    },
}


def forged(forgery: Annotations, name: str) -> Annotations:
    """Return the annotations for a member."""
    made = {"new essence": essence(name, "Viewer"), "old essence": essence(name, "Owner")}
    return {annotation: made.get(value or "", value) for annotation, value in forgery.items()}


def before(forgery: Annotations, name: str) -> dict[str, str]:
    """Return what stands there when the forgery comes: something to remove, where it removes."""
    return {annotation: essence(name, "Member") for annotation, value in forgery.items() if value is None}


@pytest.fixture(scope="module")
def shared(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give one running operator and its namespace to all rows; each has a member of its own."""
    namespace, log = f"test-{uuid4().hex[:10]}", tmp_path_factory.mktemp("shared") / "operator.log"
    control_plane.kubectl("create", "namespace", namespace)
    world = World(Api(control_plane, namespace))
    world.organization()
    with OperatorProcess(config_of(control_plane, CONTROLLER), log, "--namespace", namespace):
        yield world
    world.api.close()
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("forgery", [pytest.param(value, id=name) for name, value in FORGERIES.items()])
def test_the_keys_end_whatever_the_patch_does_to_annotations(shared: World, forgery: Annotations) -> None:
    name = f"member-{uuid4().hex[:8]}"
    first, second = f"{name}-first", f"{name}-second"
    shared.create(marked(member(name), annotations=before(forgery, name)), api_key(first, name))
    token = shared.issue(first)[first]

    stored = shared.change_role(name, "Viewer", annotations=forged(forgery, name))

    record = shared.wait_role_change(name, 2)
    assert [key["keyId"] for key in record["keys"]] == [token.key_id]
    shared.wait_gone("apikeys", first)
    shared.wait_gone("secrets", first)
    assert shared.verdict(token) == "NotFound"
    # And the next change is seen as well, with the annotations still there.
    shared.create(api_key(second, name))
    token = shared.issue(second)[second]
    assert shared.verdict(token) == "Valid"
    shared.change_role(name, "Analyst")
    shared.wait_gone("apikeys", second)
    assert shared.verdict(token) == "NotFound"
    assert shared.member(name)["metadata"].get("annotations") == stored["metadata"].get("annotations")


def test_all_at_once_on_members_and_keys_while_the_operator_is_stopped(world: World, operator: OperatorProcess) -> None:
    members = {f"member-{number}": forgery for number, forgery in enumerate(FORGERIES.values())}
    world.create(organization())
    for name, forgery in members.items():
        world.create(marked(member(name), annotations=before(forgery, name)), api_key(name, name))
    tokens = world.issue(*members)

    operator.stop()
    for name, forgery in members.items():
        world.change_role(name, "Viewer", annotations=forged(forgery, name))
        world.api.patch("apikeys", name, {"metadata": {"annotations": forged(forgery, name)}})
    assert {world.verdict(token) for token in tokens.values()} == {"RoleChanged"}
    operator.start()

    for name, token in tokens.items():
        world.wait_gone("apikeys", name, within=30)
        world.wait_gone("secrets", name)
        assert [key["keyId"] for key in world.wait_role_change(name, 2)["keys"]] == [token.key_id]
