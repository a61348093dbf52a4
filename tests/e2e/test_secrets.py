"""The Secrets of keys: foreign ones are left alone, our own are mended, and what a crash left is adopted."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.cluster.identity import CONTROLLER
from support.cluster.world import Body, World
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization, secret
from support.programs.operator_process import OperatorProcess
from support.programs.shared_operator import SharedOperator
from support.run.eventually import eventually
from support.run.sweeps import check_quiet
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure_dev.controlplane import ControlPlane

FORGED = Token.mint(bytes(ENTROPY_BYTES))
OUR_TYPE = {"type": "tenure.dev/api-key"}
OUR_LABELS = {"app.kubernetes.io/managed-by": "tenure", "tenure.dev/membership": "alice"}

# By the name of the key that it stands in the way of.
FOREIGN: dict[str, Callable[[str, dict[str, Body]], Body]] = {
    "of-another-program": lambda name, _: secret(name),
    "labelled-as-ours": lambda name, _: secret(name, labels=OUR_LABELS) | {"immutable": True},
    "with-a-chosen-token": lambda name, _: secret(name, FORGED.reveal()) | OUR_TYPE,
    "of-another-key": lambda name, keys: (
        secret(name, FORGED.reveal(), ownerReferences=[_reference(keys["labelled-as-ours"], controls=True)]) | OUR_TYPE
    ),
    "owned-but-not-controlled": lambda name, keys: (
        secret(name, FORGED.reveal(), ownerReferences=[_reference(keys[name], controls=False)]) | OUR_TYPE
    ),
}


@pytest.fixture(scope="module")
def shared_operator(
    control_plane: ControlPlane, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedOperator]:
    """Give one that sweeps every second."""
    with SharedOperator.for_tests(request, tmp_path_factory, control_plane, "--resync=1") as shared:
        yield shared


@pytest.mark.usefixtures("operator")
def test_foreign_secrets_are_left_alone_and_their_keys_go_on_once_these_are_gone(world: World, audit: Audit) -> None:
    keys = {body["metadata"]["name"]: body for body in world.create(*(api_key(name, "alice") for name in FOREIGN))}
    before = world.create(*(foreign(name, keys) for name, foreign in FOREIGN.items()))
    world.create(organization(), member("alice"), api_key("ci", "alice"))
    for name in FOREIGN:
        message = world.wait_reason(name, "SecretConflict")["status"]["conditions"][0]["message"]
        assert f"Secret {name} exists" in message
        assert "Delete the Secret" in message
    world.issue("ci")
    check_quiet(world, audit, sweeps=1)

    assert [world.api.get("secrets", name) for name in FOREIGN] == before
    assert world.verdict(FORGED) == "NotFound"

    for name in FOREIGN:
        world.api.delete("secrets", name)
    assert all(world.verdict(token) == "Valid" for token in world.issue(*FOREIGN, within=30).values())


@pytest.mark.usefixtures("operator")
def test_deleted_and_edited_secrets_are_replaced(world: World) -> None:
    edits: dict[str, Body] = {
        "another-text": {"token": "bm8gdG9rZW4="},
        "another-token": {"token": base64.b64encode(FORGED.reveal().encode()).decode()},
        "no-token": {"token": None, "tocken": ""},
    }
    names = ("deleted", *edits)
    world.create(organization(), member("alice"), api_key("ci", "alice"), *(api_key(name, "alice") for name in names))
    old = world.issue("ci", *names)

    world.api.delete("secrets", "deleted")
    for name, data in edits.items():
        world.api.patch("secrets", name, {"data": data})

    for name in names:
        assert world.verdict(world.wait_new_token(name, old[name], within=30)) == "Valid"
    assert {world.verdict(token) for token in (FORGED, *(old[name] for name in names))} == {"NotFound"}
    assert world.token("ci") == old["ci"]
    notes = eventually(lambda: _notes(world, len(names)), describe="an Event for each")
    assert notes.pop("deleted").startswith("Secret deleted was deleted, so Tenure issues a new token")
    assert all(
        note.startswith(f"Secret {name} was edited, so Tenure issues a new token") for name, note in notes.items()
    )


@pytest.mark.usefixtures("operator")
def test_our_secret_replaced_by_a_foreign_one_is_a_conflict_until_that_is_gone(world: World) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    old = world.issue("laptop")["laptop"]

    world.api.delete("secrets", "laptop")
    (foreign,) = world.create(secret("laptop"))

    world.wait_reason("laptop", "SecretConflict", within=30)
    assert world.api.get("secrets", "laptop") == foreign
    assert world.verdict(old) != "Valid"

    world.api.delete("secrets", "laptop")
    assert world.verdict(world.issue("laptop", within=30)["laptop"]) == "Valid"
    assert world.verdict(old) == "NotFound"


@pytest.mark.parametrize("crash", [pytest.param(True, id="killed"), pytest.param(False, id="answer-lost")])
def test_what_was_written_before_a_crash_is_adopted_with_its_token(
    world: World, control_plane: ControlPlane, stopped_operator: OperatorProcess, tmp_path: Path, *, crash: bool
) -> None:
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        kubeconfig = proxy.kubeconfig(tmp_path / "proxy.kubeconfig")
        with OperatorProcess(kubeconfig, tmp_path / "first.log", "--namespace", world.api.namespace) as first:
            proxy.after_write(1, first.kill if crash else proxy.reset, resource="secrets")
            world.create(organization(), member("alice"), api_key("laptop", "alice"))
            token = eventually(lambda: world.token("laptop"), describe="the Secret")
            assert token is not None
            if crash:
                assert world.verdict(token) == "NotFound"
                stopped_operator.start()
            assert world.issue("laptop")["laptop"] == token

    assert world.verdict(token) == "Valid"


@pytest.mark.parametrize("running", [pytest.param(True, id="running"), pytest.param(False, id="stopped")])
def test_a_key_deleted_and_created_again_at_once_is_another_key(
    world: World, operator: OperatorProcess, *, running: bool
) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    tokens = [world.issue("laptop")["laptop"]]

    for _ in range(2):
        if not running:
            operator.stop()
        world.api.delete("apikeys", "laptop")
        world.create(api_key("laptop", "alice"))
        assert world.verdict(tokens[-1]) == "NotFound"
        if not running:
            operator.start()
        tokens.append(world.issue("laptop", within=30)["laptop"])

    assert len(set(tokens)) == len(tokens)
    assert [world.verdict(token) for token in tokens] == ["NotFound", "NotFound", "Valid"]
    stored = world.api.get("secrets", "laptop")
    assert stored is not None
    assert stored["metadata"]["ownerReferences"][0]["uid"] == world.key("laptop")["metadata"]["uid"]


def _notes(world: World, count: int) -> dict[str, str]:
    """By key what the Events about its Secret say, once there are so many of them."""
    events = world.events("SecretReplaced")
    return {event["regarding"]["name"]: event["note"] for event in events} if len(events) == count else {}


def _reference(key: Body, *, controls: bool) -> Body:
    return {
        "apiVersion": key["apiVersion"],
        "kind": key["kind"],
        "name": key["metadata"]["name"],
        "uid": key["metadata"]["uid"],
        "controller": controls,
    }
