"""The Secrets of keys: foreign ones are left alone, our own are mended, and what a crash left is adopted."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.audit import Audit
from support.eventually import eventually
from support.identity import CONTROLLER, config_of
from support.manifests import api_key, member, organization, secret
from support.operator_process import OperatorProcess
from support.proxy import Proxy
from support.sweeps import lists_in, wait_sweeps
from support.world import Body, World
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure_dev.controlplane import ControlPlane

FORGED = Token.mint(bytes(ENTROPY_BYTES))
RESERVED = (
    "app.kubernetes.io/",
    "argocd.argoproj.io/",
    "helm.toolkit.fluxcd.io/",
    "kubectl.kubernetes.io/",
    "kustomize.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "tenure.dev/",
    "velero.io/",
)
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


@pytest.fixture
def stopped_operator(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Give an operator that sweeps every second."""
    operator = OperatorProcess(
        config_of(control_plane, CONTROLLER), tmp_path / "operator.log", "--namespace", namespace, "--resync", "1"
    )
    yield operator
    if operator.running:
        operator.stop()


@pytest.mark.usefixtures("operator")
def test_foreign_secrets_are_left_alone_and_their_keys_go_on_once_these_are_gone(world: World, audit: Audit) -> None:
    keys = {body["metadata"]["name"]: body for body in world.create(*(api_key(name, "alice") for name in FOREIGN))}
    before = world.create(*(foreign(name, keys) for name, foreign in FOREIGN.items()))
    world.create(organization(), member("alice"), api_key("ci", "alice"))
    for name in FOREIGN:
        message = world.wait_reason(name, "SecretConflict")["status"]["conditions"][0]["message"]
        assert f"Secret {name} exists" in message
        assert "delete or rename it" in message
    world.issue("ci")
    lists = lists_in(audit, world.api.namespace)
    wait_sweeps(lists)  # What follows from the new keys is written by then.
    audit.reset()
    wait_sweeps(lists)

    assert not [entry for entry in audit.writes(user_agent="tenure") if entry.namespace == world.api.namespace]
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
    assert notes.pop("deleted").startswith("Secret deleted was deleted, so it gets a new token")
    assert all(note.startswith(f"Secret {name} was edited, so it gets a new token") for name, note in notes.items())


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
    world: World, stopped_operator: OperatorProcess, *, running: bool
) -> None:
    stopped_operator.start()
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    tokens = [world.issue("laptop")["laptop"]]

    for _ in range(2):
        if not running:
            stopped_operator.stop()
        world.api.delete("apikeys", "laptop")
        world.create(api_key("laptop", "alice"))
        assert world.verdict(tokens[-1]) == "NotFound"
        if not running:
            stopped_operator.start()
        tokens.append(world.issue("laptop", within=30)["laptop"])

    assert len(set(tokens)) == len(tokens)
    assert [world.verdict(token) for token in tokens] == ["NotFound", "NotFound", "Valid"]
    stored = world.api.get("secrets", "laptop")
    assert stored is not None
    assert stored["metadata"]["ownerReferences"][0]["uid"] == world.key("laptop")["metadata"]["uid"]


@pytest.mark.parametrize(
    ("prefixes", "copied"),
    [
        pytest.param([], set(), id="none listed"),
        pytest.param(["acme.io/t", *RESERVED], {"acme.io/team"}, id="one listed, and all reserved ones"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_a_template_is_copied_as_far_as_the_organization_lists_its_prefixes_and_no_tool_owns_them(
    world: World, prefixes: list[str], copied: set[str]
) -> None:
    wanted = {f"{prefix}team": "payments" for prefix in ("acme.io/", "acme.io.example.org/", "other.io/", *RESERVED)}
    wanted |= {"team": "payments", **dict.fromkeys(OUR_LABELS, "mallory")}
    template = {"labels": wanted, "annotations": wanted}
    keys = {"secretMetadataPrefixes": prefixes}
    world.create(organization(keys=keys), member("alice"), api_key("laptop", "alice", secretTemplate=template))
    world.issue("laptop")

    stored = world.api.get("secrets", "laptop")
    assert stored is not None
    metadata = stored["metadata"]
    assert {key for key, value in metadata["labels"].items() if value == "payments"} == copied
    assert {key for key, value in metadata["annotations"].items() if value == "payments"} == copied
    assert OUR_LABELS.items() <= metadata["labels"].items()
    assert "mallory" not in {*metadata["labels"].values(), *metadata["annotations"].values()}


@pytest.mark.usefixtures("operator")
def test_a_template_that_the_api_server_rejects_waits_for_a_better_one(world: World) -> None:
    keys = {"secretMetadataPrefixes": ["acme.io/"]}
    bad = {"value": {"acme.io/team": "pay ments!"}, "key": {"acme.io/pay ments": "x"}}
    world.create(organization(keys=keys), member("alice"), api_key("ci", "alice"))
    world.create(*(api_key(name, "alice", secretTemplate={"labels": labels}) for name, labels in bad.items()))
    for name in bad:
        message = world.wait_reason(name, "SecretRejected")["status"]["conditions"][0]["message"]
        assert "metadata.labels" in message
        assert "pay ments" in message
    world.issue("ci")

    for name, labels in bad.items():
        world.change_key(name, secretTemplate={"labels": {**dict.fromkeys(labels), "acme.io/team": "payments"}})
    world.issue(*bad)


@pytest.mark.usefixtures("operator")
def test_an_events_note_that_is_too_long_for_the_api_server_is_cut_and_not_lost(world: World) -> None:
    """It counts bytes, and takes 1,024."""
    labels = {f"acme.io/{number}": "\N{KEY}" * 60 + str(number) for number in range(2)}
    world.create(organization(keys={"secretMetadataPrefixes": ["acme.io/"]}), member("alice"))
    world.create(api_key("laptop", "alice", secretTemplate={"labels": labels}))
    message = world.wait_reason("laptop", "SecretRejected")["status"]["conditions"][0]["message"]
    assert len(message[:1024].encode()) > 1024

    (event,) = eventually(lambda: world.events("SecretRejected"), describe="an Event")
    assert len(event["note"].encode()) > 1000
    assert message.startswith(event["note"])


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
