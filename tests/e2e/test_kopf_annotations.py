"""No annotation of Kopf's hides a role change: the operator stores nothing there and reads nothing from there.

Whoever may change a role may write these annotations in the very same patch, and Kopf's own change detection would
believe them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import Body, World, fresh_world
from support.objects.manifests import api_key, marked, member, organization
from support.programs.operator_process import OperatorProcess
from tenure.domain.tokens import Token
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


@dataclass(frozen=True)
class Change:
    """A role change: the token that it ends, and the Membership as it was stored."""

    token: Token
    stored: Body


@pytest.fixture(scope="module")
def shared(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give one running operator and its namespace to all rows; each has a member of its own."""
    config, log = config_of(control_plane, CONTROLLER), tmp_path_factory.mktemp("shared") / "operator.log"
    with fresh_world(control_plane) as world:
        world.organization()
        with OperatorProcess(config, log, "--namespace", world.api.namespace):
            yield world


def name_of(title: str) -> str:
    """The member whose annotations a row forges."""
    return f"member-{list(FORGERIES).index(title)}"


@pytest.fixture(scope="module")
def changed(shared: World) -> Mapping[str, Change]:
    """Change everybody's role, with a forgery each, at the same time: an ApiKey outlives its Secret by seconds."""
    titles = {name_of(title): title for title in FORGERIES}
    for name, title in titles.items():
        annotations = before(FORGERIES[title], name)
        shared.create(marked(member(name), annotations=annotations), api_key(f"{name}-first", name))
    tokens = shared.issue(*(f"{name}-first" for name in titles))
    return {
        title: Change(
            tokens[f"{name}-first"], shared.change_role(name, "Viewer", annotations=forged(FORGERIES[title], name))
        )
        for name, title in titles.items()
    }


@pytest.fixture(scope="module")
def changed_again(shared: World, changed: Mapping[str, Change]) -> Mapping[str, Change]:
    """Change everybody's role once more, with the annotations still there, and another key for each."""
    names = [name_of(title) for title in changed]
    shared.create(*(api_key(f"{name}-second", name) for name in names))
    tokens = shared.issue(*(f"{name}-second" for name in names))
    assert {shared.verdict(token) for token in tokens.values()} == {"Valid"}
    stored = [shared.change_role(name, "Analyst") for name in names]
    return {
        title: Change(tokens[f"{name}-second"], body) for title, name, body in zip(changed, names, stored, strict=True)
    }


@pytest.mark.parametrize("title", FORGERIES)
def test_the_keys_end_whatever_the_patch_does_to_annotations(
    shared: World, changed: Mapping[str, Change], title: str
) -> None:
    name, token = name_of(title), changed[title].token
    record = shared.wait_role_change(name, 2)
    assert [key["keyId"] for key in record["keys"]] == [token.key_id]
    shared.wait_gone("apikeys", f"{name}-first")
    shared.wait_gone("secrets", f"{name}-first")
    assert shared.verdict(token) == "NotFound"


@pytest.mark.parametrize("title", FORGERIES)
def test_the_next_change_is_seen_as_well(
    shared: World, changed: Mapping[str, Change], changed_again: Mapping[str, Change], title: str
) -> None:
    name = name_of(title)
    shared.wait_gone("apikeys", f"{name}-second")
    assert shared.verdict(changed_again[title].token) == "NotFound"
    stored = changed[title].stored["metadata"].get("annotations")
    assert shared.member(name)["metadata"].get("annotations") == stored


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
