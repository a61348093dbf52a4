"""The engines' own protections from a mistaken prune, as the page on GitOps names them."""

import subprocess

import pytest

from support.cluster.world import World
from support.engines.engine import Engine, Sync
from support.objects.repository import KEYS, Address, samples
from tenure_dev.paths import CHECKOUT

ADDRESSES: tuple[Address, ...] = (("Membership", "bob"), ("ApiKey", "bob-cli"))
ORGANIZATION: Address = ("Organization", "acme")
OWNER: Address = ("Membership", "olga")
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
PRUNE_OF_FLUX = "kustomize.toolkit.fluxcd.io/prune"
PAGE = CHECKOUT / "docs" / "gitops.md"
WITHIN = 60.0


def protect(sync: Sync, key: str, value: str) -> None:
    for address in ADDRESSES:
        sync.repository.files[address]["metadata"]["annotations"] = {key: value}


def protect_as_in_the_samples(sync: Sync) -> None:
    every = samples(sync.name)
    sync.repository.files |= {address: every[address] for address in (ORGANIZATION, OWNER)}


def remove_too_much(sync: Sync) -> None:
    """Remove all but one file, because an engine may not apply an empty folder."""
    sync.repository.remove(*[address for address in sync.repository.files if address != ("Membership", "anna")])


def left(sync: Sync) -> bool:
    return set(ADDRESSES) <= set(sync.repository.live())


@pytest.fixture
def engine(flux: Engine) -> Engine:
    return flux


def test_flux_leaves_what_its_annotation_protects(sync: Sync, world: World) -> None:
    protect(sync, PRUNE_OF_FLUX, "disabled")
    sync.settle()
    token = world.issue(*KEYS, within=WITHIN)["bob-cli"]
    sync.repository.remove(*ADDRESSES)
    sync.settle("Remove bob")
    assert left(sync)
    assert world.verdict(token) == "Valid"


def test_flux_leaves_the_organization_and_the_owner_of_the_samples(sync: Sync, world: World) -> None:
    protect_as_in_the_samples(sync)
    sync.settle()
    world.issue(*KEYS, within=WITHIN)
    remove_too_much(sync)
    sync.settle("Remove too much")
    assert set(sync.repository.live()) == {ORGANIZATION, OWNER, ("Membership", "anna")}


class TestArgoCD:
    @pytest.fixture
    def engine(self, argocd: Engine) -> Engine:
        return argocd

    def test_it_leaves_what_is_not_to_be_pruned_and_is_out_of_sync(self, sync: Sync, world: World) -> None:
        protect(sync, SYNC_OPTIONS, "Prune=false")
        sync.settle()
        token = world.issue(*KEYS, within=WITHIN)["bob-cli"]
        sync.repository.remove(*ADDRESSES)
        sync.refused("OutOfSync", "Succeeded")
        assert left(sync)
        assert world.verdict(token) == "Valid"

    def test_it_prunes_nothing_of_the_samples_before_it_is_confirmed(self, sync: Sync, world: World) -> None:
        protect_as_in_the_samples(sync)
        sync.settle()
        world.issue(*KEYS, within=WITHIN)
        every = set(sync.repository.live())
        remove_too_much(sync)
        sync.refused("waiting for pruning confirmation of tenure.dev/")
        assert set(sync.repository.live()) == every

    def test_it_holds_up_the_whole_commit_until_a_removal_is_confirmed(self, sync: Sync, world: World) -> None:
        protect(sync, SYNC_OPTIONS, "Prune=confirm")
        sync.settle()
        tokens = world.issue(*KEYS, within=WITHIN)
        token = tokens["bob-cli"]
        sync.repository.remove(*ADDRESSES, ("ApiKey", "laptop"))
        sync.repository.member("anna")["metadata"]["annotations"] = {"acme.io/note": "applied"}
        sync.refused("waiting for pruning confirmation of tenure.dev/")
        assert left(sync)
        assert [world.verdict(tokens[name]) for name in ("bob-cli", "laptop")] == ["Valid", "Valid"]
        assert "acme.io/note" not in world.member("anna")["metadata"].get("annotations", {})
        confirm(sync)
        sync.wait(lambda attempt: attempt.applied, "pruned after the confirmation")
        assert world.verdict(token) != "Valid"


def confirm(sync: Sync) -> None:
    """Confirm with the command of the page."""
    (command,) = [line for line in PAGE.read_text().splitlines() if "deletion-approved" in line]
    command = command.strip().replace("organization-acme", f"organization-{sync.name}")
    environment = sync.engine.plane.kubectl.environment
    path = f"{sync.engine.plane.binaries.folder}:{environment['PATH']}"
    subprocess.run(["bash", "-c", command], env={**environment, "PATH": path}, check=True)
