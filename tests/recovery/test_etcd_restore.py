"""A restored etcd snapshot revives what ended since it was taken, and `tenure revoke` ends it again."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from support.cluster.world import World, fresh_world
from support.objects import manifests
from support.programs.operator_process import OperatorProcess
from support.programs.revocation import Caller, server_time
from support.programs.verifier_process import VerifierProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure.domain.resources.base import format_time
from tenure.domain.tokens import Token
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

PATIENCE = 60.0
RESYNC_SECONDS = 4
PAST = "2026-01-01T00:00:00Z"
ACKNOWLEDGED = {"tenure.dev/acknowledge-key-deletion": "Viewer: role-changed"}

ENDED = {
    "role-changed": "NotFound",
    "deleted": "NotFound",
    "replaced": "NotFound",
    "brought-forward": "Expired",
    "left": "OrganizationGone",
    "suspended": "Suspended",
}
"""Keys that ended after the snapshot, and what is left of their tokens then: without a Membership, no Organization
can be found."""


@dataclass(frozen=True)
class Site:
    """A cluster with an organization in it, and all parts of Tenure, which run throughout."""

    plane: ControlPlane
    world: World
    verifier: VerifierProcess
    tokens: Mapping[str, Token]
    """As they were when the snapshot was taken."""

    def revoke_keys(self) -> None:
        """End keys in every way in which one can end."""
        self.world.change_role("alice", "Viewer", annotations=ACKNOWLEDGED)
        self.world.api.delete("apikeys", "deleted")
        self.world.change_key("replaced", revision=2)
        self.world.change_key("brought-forward", expiresAt=PAST)
        self.world.api.delete("memberships", "carol")
        self.world.change_key("suspended", suspended=True)
        self.world.wait_gone("apikeys", "role-changed", within=PATIENCE)
        self.world.wait_new_token("replaced", self.tokens["replaced"], within=PATIENCE)
        self.world.wait_reason("brought-forward", "Expired", within=PATIENCE)
        self.world.wait_reason("left", "MembershipGone", within=PATIENCE)
        self.world.wait_reason("suspended", "Suspended", within=PATIENCE)

    def verdicts(self) -> dict[str, str]:
        """What the tokens are worth by what is stored."""
        return {name: self.world.verdict(token) for name, token in self.tokens.items()}

    def wait_answers(self, answer: str) -> None:
        """Wait until the verifier answers this about every token."""

        def answered() -> bool:
            answers = {self.verifier.verify(token).get("valid") for token in self.tokens.values()}
            return answers == {answer == "valid"}

        eventually(answered, within=PATIENCE, describe=f"the verifier says {answer}")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ControlPlane, VerifierProcess]]:
    """Give a cluster and its verifier; the other parts of Tenure run too."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("plane")
        plane = stack.enter_context(ControlPlane.start(find_or_build(), folder, crds=CRDS))
        plane.kubectl("apply", "--server-side", "--filename", str(CHECKOUT / "manifests" / "roles.yaml"))
        port = webhooks.install(plane)
        stack.enter_context(WebhookProcess(plane.kubeconfig, folder / "webhook.log", port))
        arguments = ("--no-webhooks", "--resync", str(RESYNC_SECONDS))
        stack.enter_context(OperatorProcess(plane.kubeconfig, folder / "operator.log", *arguments))
        yield plane, stack.enter_context(VerifierProcess(plane.kubeconfig, folder / "verifier.log"))


@pytest.fixture
def site(parts: tuple[ControlPlane, VerifierProcess]) -> Iterator[Site]:
    plane, verifier = parts
    with fresh_world(plane) as world:
        yield Site(plane, world, verifier, populate(world))


def wait_served(world: World) -> None:
    """Wait until the API server serves each kind again. It begins with each at another moment."""
    for plural in ("organizations", "memberships", "apikeys", "secrets"):
        eventually(partial(world.api.list, plural), within=PATIENCE, describe=f"{plural} are served")


def populate(world: World) -> dict[str, Token]:
    rule = {"whenKeysExist": "RequireAcknowledgement"}
    members = [manifests.member(name) for name in ("alice", "bob", "carol")]
    world.create(manifests.organization(roleChanges=rule), *members)
    owners = {"role-changed": "alice", "left": "carol"}
    world.create(*(manifests.api_key(name, owners.get(name, "bob")) for name in (*ENDED, "kept")))
    return world.issue(*ENDED, "kept", within=PATIENCE)


def test_a_restored_snapshot_revives_keys_and_revoke_ends_them(site: Site, tmp_path: Path) -> None:
    world = site.world
    site.wait_answers("valid")
    site.plane.save_etcd(tmp_path / "snapshot")
    # Watches begin anew after the start, and nobody is told of it.
    wait_served(world)
    site.revoke_keys()
    world.create(manifests.api_key("new", "bob"))
    new = world.issue("new", within=PATIENCE)["new"]
    assert site.verdicts() == {**ENDED, "kept": "Valid"}

    site.plane.restore_etcd(tmp_path / "snapshot")
    wait_served(world)

    # Exactly this comes back: old objects with their old stamps, and the Secrets with the old tokens.
    assert site.verdicts() == dict.fromkeys((*ENDED, "kept"), "Valid")
    assert {name: world.token(name) for name in site.tokens} == site.tokens
    assert world.member("alice")["metadata"]["generation"] == 1
    assert world.verdict(new) == "NotFound"
    site.wait_answers("valid")

    moment = format_time(server_time(site.plane))
    scope = ("--issued-before", moment, f"--namespace={world.api.namespace}")
    results = Caller(site.plane.kubeconfig).results(*scope, "--yes")

    assert results == dict.fromkeys((*ENDED, "kept"), "Ended")
    assert set(site.verdicts().values()) == {"NotFound"}
    site.wait_answers("invalid")
    world.change_role("alice", "Viewer", annotations=ACKNOWLEDGED)  # As Git does; no key is left that it could end.
    # The garbage collector of a controller manager that ran throughout waits for versions that are still to come.
    site.plane.stop_controller_manager()
    site.plane.start_controller_manager()
    eventually(lambda: world.api.list("secrets") == [], within=PATIENCE, describe="the Secrets are gone")


def test_operator_and_webhooks_that_ran_throughout_go_on_with_what_was_restored(site: Site, tmp_path: Path) -> None:
    world = site.world
    site.plane.save_etcd(tmp_path / "snapshot")
    wait_served(world)
    site.revoke_keys()
    site.plane.restore_etcd(tmp_path / "snapshot")
    wait_served(world)

    # What ended before ends again by the same commit, and only that.
    world.change_role("alice", "Viewer", annotations=ACKNOWLEDGED)
    world.wait_gone("apikeys", "role-changed", within=PATIENCE)
    world.wait_gone("secrets", "role-changed", within=PATIENCE)
    record = world.wait_role_change("alice", 2, within=PATIENCE)
    assert [(key["name"], key["fate"]) for key in record["keys"]] == [("role-changed", "Deleted")]
    world.create(manifests.api_key("role-changed", "alice"))
    again = world.issue("role-changed", within=PATIENCE)["role-changed"]
    assert world.verdict(again) == "Valid"
    stays = dict.fromkeys((*ENDED, "kept"), "Valid") | {"role-changed": "NotFound"}
    assert site.verdicts() == stays
    world.wait_counted(within=PATIENCE)
    assert site.verdicts() == stays
