"""A restore into an empty namespace: objects come back without uid, status and owners, and no old token with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import Body, World, fresh_world
from support.objects.manifests import api_key, manifest, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

KINDS = ("apikeys", "memberships", "organizations")  # Keys come first: restores sort kinds by name.
LIVE = ("laptop", "ci", "robot")


@dataclass(frozen=True)
class Backup:
    """The objects of a namespace by kind, and all tokens that were ever issued there."""

    objects: dict[str, list[Body]]
    tokens: list[Token]

    def restore(self, world: World) -> None:
        """Create the objects anew, without what a restore leaves out."""
        for plural in KINDS:
            for body in self.objects[plural]:
                world.api.create(plural, manifest(body))

    def restore_secrets(self, world: World, *, owners: bool) -> None:
        """Create the Secrets too, as a tool does that overlooks their label."""
        for body in self.objects["secrets"]:
            restored = manifest(body)
            if not owners:
                del restored["metadata"]["ownerReferences"]
            world.api.create("secrets", restored)

    def restore_status(self, world: World) -> None:
        """Give the objects their old status back, which the API server leaves out when they are created."""
        for plural in KINDS:
            for body in self.objects[plural]:
                world.api.patch(plural, body["metadata"]["name"], {"status": body["status"]}, "status")


@pytest.fixture(scope="module")
def backup(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Backup:
    """Give a backup of a namespace with a role change behind it."""
    config, log = config_of(control_plane, CONTROLLER), tmp_path_factory.mktemp("backup") / "operator.log"
    with fresh_world(control_plane) as world:
        with OperatorProcess(config, log, "--namespace", world.api.namespace):
            tokens = populate(world)
        return Backup({plural: world.api.list(plural) for plural in (*KINDS, "secrets")}, tokens)


def populate(world: World) -> list[Token]:
    """Fill a namespace, and return all tokens that were issued on the way."""
    world.create(
        organization(keys={"onRoleChange": "Revoke"}),
        member("alice"),
        member("bob", "Owner"),
        service_account("deploy"),
        api_key("laptop", "alice"),
        api_key("ci", "alice", forRole="Viewer"),
        api_key("server", "bob", forRole="Member"),
        api_key("robot", "deploy"),
    )
    dead = world.issue("laptop", "robot")["laptop"]
    world.change_role("alice", "Viewer")
    world.wait_reason("laptop", "RoleChanged")
    world.change_key("laptop", revision=2)
    tokens = world.issue(*LIVE)
    world.wait_reason("server", "RoleMismatch")
    return [*tokens.values(), dead]


@pytest.fixture
def empty(control_plane: ControlPlane) -> Iterator[World]:
    """Give another namespace, as empty as one in a new cluster."""
    with fresh_world(control_plane) as world:
        yield world


@pytest.fixture
def operator(control_plane: ControlPlane, empty: World, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Give the operator of the other namespace, which the test starts."""
    log = tmp_path / "restored.log"
    arguments = ("--namespace", empty.api.namespace, "--resync", "1")
    operator = OperatorProcess(config_of(control_plane, CONTROLLER), log, *arguments)
    yield operator
    operator.stop()


def test_every_key_is_issued_anew_and_no_old_token_is_valid(
    backup: Backup, empty: World, operator: OperatorProcess
) -> None:
    labels = [body["metadata"]["labels"] for body in backup.objects["secrets"]]
    assert [label["velero.io/exclude-from-backup"] for label in labels] == ["true"] * len(LIVE)
    operator.start()

    backup.restore(empty)

    tokens = empty.issue(*LIVE)
    empty.wait_reason("server", "RoleMismatch")
    assert not {*tokens.values()} & {*backup.tokens}
    assert [empty.verdict(token) for token in tokens.values()] == ["Valid"] * len(LIVE)
    assert _verdicts(empty, backup) == {"NotFound"}


def test_a_secret_restored_without_its_owner_is_a_conflict_that_says_what_to_do(
    backup: Backup, empty: World, operator: OperatorProcess
) -> None:
    backup.restore_secrets(empty, owners=False)
    restored = empty.api.list("secrets")
    backup.restore(empty)

    operator.start()

    for name in LIVE:
        message = empty.wait_reason(name, "SecretConflict")["status"]["conditions"][0]["message"]
        assert "Delete the Secret, for example after a restore from a backup that had Secrets" in message
    assert empty.api.list("secrets") == restored
    assert _verdicts(empty, backup) == {"NotFound"}

    for name in LIVE:
        empty.api.delete("secrets", name)
    assert not {*empty.issue(*LIVE, within=30).values()} & {*backup.tokens}
    assert _verdicts(empty, backup) == {"NotFound"}


def test_a_secret_restored_with_its_dead_owner_is_collected_and_the_key_goes_on(
    backup: Backup, empty: World, operator: OperatorProcess
) -> None:
    backup.restore_secrets(empty, owners=True)
    backup.restore(empty)

    operator.start()

    assert not {*empty.issue(*LIVE, within=30).values()} & {*backup.tokens}
    assert _verdicts(empty, backup) == {"NotFound"}


def test_not_even_a_restored_status_revives_a_token(backup: Backup, empty: World, operator: OperatorProcess) -> None:
    backup.restore(empty)
    backup.restore_secrets(empty, owners=False)
    backup.restore_status(empty)
    assert "Valid" not in _verdicts(empty, backup)

    operator.start()

    for name in ("laptop", "robot"):
        empty.wait_reason(name, "OrganizationGone")
    assert "Valid" not in _verdicts(empty, backup)
    for name in LIVE:
        empty.api.delete("secrets", name)
        empty.change_key(name, revision=3)
    assert not {*empty.issue(*LIVE, within=30).values()} & {*backup.tokens}
    assert _verdicts(empty, backup) == {"NotFound"}


def _verdicts(world: World, backup: Backup) -> set[str]:
    """What the old tokens are worth."""
    return {world.verdict(token) for token in backup.tokens}
