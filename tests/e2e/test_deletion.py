"""Deletion of a key, a member, an organization or a namespace: tokens die at once, and nothing stays behind."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from support.api.kubectl import NamespacedKubectl
from support.cluster.identity import CONTROLLER
from support.cluster.world import PLURALS, Body, World
from support.faults.exchange import Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, held, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

EVERYTHING = (
    organization(),
    member("alice"),
    member("bob", "Owner"),
    api_key("laptop", "alice"),
    api_key("ci", "alice"),
    api_key("server", "bob"),
)
KEYS = ("laptop", "ci", "server")

LIFE = (
    organization(keys={"onRoleChange": "Revoke"}),
    member("alice"),
    service_account("deploy"),
    api_key("laptop", "alice"),
    api_key("ci", "alice", forRole="Member"),
    api_key("robot", "deploy"),
)


@dataclass(frozen=True)
class Removal:
    """An object to delete, the keys that end with it, and the reason that they give while they are still there."""

    plural: str
    name: str
    dead: set[str]
    reason: str

    @property
    def alive(self) -> set[str]:
        return set(KEYS) - self.dead


removals = pytest.mark.parametrize(
    "removal",
    [
        pytest.param(Removal("apikeys", "laptop", {"laptop"}, "Deleting"), id="ApiKey"),
        pytest.param(Removal("memberships", "alice", {"laptop", "ci"}, "MembershipGone"), id="Membership"),
        pytest.param(Removal("organizations", "acme", set(KEYS), "OrganizationGone"), id="Organization"),
    ],
)


@removals
@pytest.mark.usefixtures("operator")
def test_the_tokens_die_at_once_and_their_secrets_go(world: World, removal: Removal) -> None:
    world.create(*EVERYTHING)
    tokens = world.issue(*KEYS)

    world.api.delete(removal.plural, removal.name)

    assert not _valid(world, tokens) & removal.dead
    world.wait_gone(removal.plural, removal.name)
    _wait_ended(world, removal)
    _check_untouched(world, removal.alive, tokens)


@removals
def test_the_next_start_tidies_what_a_stopped_operator_missed(
    world: World, operator: OperatorProcess, removal: Removal
) -> None:
    world.create(*EVERYTHING)
    tokens = world.issue(*KEYS)
    operator.stop()

    world.api.delete(removal.plural, removal.name)
    assert _valid(world, tokens) == removal.alive
    if removal.plural == "apikeys":
        # The garbage collector needs no operator.
        world.wait_gone("secrets", removal.name)

    operator.start()
    _wait_ended(world, removal)
    _check_untouched(world, removal.alive, tokens)


@removals
@pytest.mark.usefixtures("operator")
def test_what_a_finalizer_holds_is_as_good_as_gone(world: World, removal: Removal) -> None:
    world.create(*(held(body) if body["metadata"]["name"] == removal.name else body for body in EVERYTHING))
    tokens = world.issue(*KEYS)

    world.api.delete(removal.plural, removal.name)

    assert _valid(world, tokens) == removal.alive
    for key in removal.dead:
        world.wait_gone("secrets", key)
        world.wait_reason(key, removal.reason)
    _check_untouched(world, removal.alive, tokens)

    world.api.patch(removal.plural, removal.name, {"metadata": {"finalizers": None}})
    world.wait_gone(removal.plural, removal.name)


@pytest.mark.parametrize("running", [pytest.param(True, id="running"), pytest.param(False, id="stopped")])
def test_a_namespace_ends(
    world: World, operator: OperatorProcess, control_plane: ControlPlane, *, running: bool
) -> None:
    said_before = len(operator.log)
    world.create(*EVERYTHING)
    tokens = world.issue(*KEYS)
    if not running:
        operator.stop()

    _end_namespace(control_plane, world.api.namespace)

    assert not _valid(world, tokens)
    assert not world.api.list("secrets")
    assert "unexpected error" not in operator.log[said_before:]


@pytest.mark.usefixtures("operator")
def test_everything_deleted_at_once_leaves_nothing(world: World, kubectl: NamespacedKubectl) -> None:
    world.create(*EVERYTHING)
    world.issue(*KEYS)

    kubectl("delete", "organizations,memberships,apikeys", "--all", "--wait=false")

    _wait_empty(world)


@pytest.mark.usefixtures("operator")
def test_a_deletion_in_the_foreground_is_held_up_by_nothing(world: World) -> None:
    world.create(*EVERYTHING)
    tokens = world.issue(*KEYS)

    for plural, name in (("apikeys", "laptop"), ("memberships", "alice"), ("organizations", "acme")):
        world.api.delete(plural, name, propagationPolicy="Foreground")
        assert not _valid(world, tokens) & {"laptop"}
        world.wait_gone(plural, name)
    for key in KEYS:
        world.wait_gone("secrets", key)
    assert not _valid(world, tokens)


@pytest.mark.usefixtures("operator")
def test_orphaning_leaves_no_secret(world: World, kubectl: NamespacedKubectl) -> None:
    world.create(*EVERYTHING)
    tokens = world.issue(*KEYS)

    kubectl("delete", "apikey", "laptop", "--cascade=orphan")

    world.wait_gone("secrets", "laptop")
    assert _valid(world, tokens) == {"ci", "server"}
    assert world.token("ci") == tokens["ci"]


@pytest.mark.parametrize("again", [pytest.param(False, id="deleted"), pytest.param(True, id="deleted-and-created")])
def test_orphaning_that_no_watch_shows_leaves_no_secret(
    world: World, control_plane: ControlPlane, kubectl: NamespacedKubectl, tmp_path: Path, *, again: bool
) -> None:
    with Proxy(control_plane, as_user=CONTROLLER) as proxy, _sweeping(proxy, world, tmp_path):
        world.create(*EVERYTHING)
        tokens = world.issue(*KEYS)
        proxy.on_watch_line = _lose_api_keys

        kubectl("delete", "apikey", "laptop", "--cascade=orphan")
        if again:
            world.create(api_key("laptop", "alice"))
            assert world.issue("laptop", within=30)["laptop"] != tokens["laptop"]
        else:
            world.wait_gone("secrets", "laptop", within=30)

        assert _valid(world, tokens) == {"ci", "server"}


def test_a_whole_life_leaves_metadata_and_spec_as_their_users_wrote_them(
    world: World, operator: OperatorProcess
) -> None:
    written = {(PLURALS[body["kind"]], body["metadata"]["name"]): body for body in world.create(*LIFE)}
    world.issue("laptop", "ci", "robot")

    def patch(plural: str, name: str, **spec: object) -> None:
        written[plural, name] = world.api.patch(plural, name, {"spec": spec})

    patch("memberships", "alice", role="Viewer")
    world.wait_reason("laptop", "RoleChanged")
    world.wait_reason("ci", "RoleMismatch")
    patch("apikeys", "laptop", revision=2)
    patch("apikeys", "ci", forRole="Viewer")
    world.issue("laptop", "ci")
    patch("organizations", "acme", suspended=True)
    world.wait_reason("robot", "Suspended")
    operator.stop()
    patch("organizations", "acme", suspended=None)
    world.api.delete("memberships", "deploy")
    del written["memberships", "deploy"]
    operator.start()
    world.wait_reason("robot", "MembershipGone")
    world.issue("laptop", "ci")

    stored = {address: world.api.get(*address) for address in written}
    assert {address: _of_users(body) for address, body in stored.items()} == {
        address: _of_users(body) for address, body in written.items()
    }
    for plural, name in written:
        world.api.delete(plural, name)
    _wait_empty(world)


def _of_users(body: Body | None) -> Body:
    """What users own of an object: all but the status, and what the API server notes of writes to it."""
    assert body is not None
    metadata = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
    fields = [entry for entry in metadata["managedFields"] if entry.get("subresource") != "status"]
    return {"metadata": {**metadata, "managedFields": fields}, "spec": body["spec"]}


def _sweeping(proxy: Proxy, world: World, folder: Path) -> OperatorProcess:
    kubeconfig = proxy.kubeconfig(folder / "proxy.kubeconfig")
    return OperatorProcess(kubeconfig, folder / "operator.log", "--namespace", world.api.namespace, "--resync", "1")


async def _lose_api_keys(request: Request, line: bytes) -> bytes | None:
    return None if request.resource == "apikeys" else line


def _valid(world: World, tokens: dict[str, Token]) -> set[str]:
    return {name for name, token in tokens.items() if world.verdict(token) == "Valid"}


def _check_untouched(world: World, keys: set[str], tokens: dict[str, Token]) -> None:
    assert _valid(world, tokens) == keys
    assert {key: world.token(key) for key in keys} == {key: tokens[key] for key in keys}


def _wait_ended(world: World, removal: Removal) -> None:
    """Wait until the keys' Secrets are gone, and the keys too or their status says why they ended."""

    def ended() -> bool:
        return all(
            world.api.get("secrets", key) is None
            and (world.api.get("apikeys", key) is None or world.reason("apikeys", key) == removal.reason)
            for key in removal.dead
        )

    eventually(ended, describe=f"{removal.dead} are gone or {removal.reason}")


def _wait_empty(world: World) -> None:
    def left() -> list[Body]:
        return [
            one for plural in ("organizations", "memberships", "apikeys", "secrets") for one in world.api.list(plural)
        ]

    eventually(lambda: not left(), within=20, describe="nothing is left")


def _end_namespace(plane: ControlPlane, name: str) -> None:
    plane.kubectl("delete", "namespace", name, "--wait=false")
    found = ("get", "namespace", name, "--ignore-not-found", "--output=name")
    eventually(lambda: not plane.kubectl(*found).stdout.strip(), within=60, every=0.2, describe=f"{name} is gone")
