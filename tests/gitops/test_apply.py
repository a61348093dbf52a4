"""From Git to the cluster and back: any order, twice, without a difference; pruned in any order, without a rest."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from support.api import Api
from support.eventually import eventually
from support.judged import Judged
from support.manifests import manifest
from support.repository import Repository, samples, shuffled
from support.world import World

ACKNOWLEDGE = "tenure.dev/acknowledge-key-deletion"
KEYS = ("bob-cli", "ci-deploy", "cost-report", "laptop", "olga-admin", "pipeline")


@pytest.fixture
def repository(judged: Judged) -> Iterator[Repository]:
    """Give a repository with the samples and a namespace for them."""
    name = f"test-{uuid4().hex[:10]}"
    judged.plane.kubectl("create", "namespace", name)
    yield Repository(judged.plane, name, samples(name))
    judged.plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def world(judged: Judged, repository: Repository) -> Iterator[World]:
    api = Api(judged.plane, repository.namespace)
    yield World(api)
    api.close()


@pytest.mark.parametrize("server_side", [False, True], ids=["client side", "server side"])
@pytest.mark.parametrize("seed", range(4))
def test_applied_in_any_order_and_twice_nothing_differs(
    repository: Repository, world: World, seed: int, *, server_side: bool
) -> None:
    repository.apply(server_side=server_side, order=shuffled(repository.files, seed))
    world.issue(*KEYS, within=30)
    world.wait_counted(within=30)
    second = repository.apply(server_side=server_side, order=shuffled(repository.files, seed + 100))
    words = {line.split()[-1] for line in second.splitlines()}
    assert words == {"serverside-applied" if server_side else "unchanged"}
    assert repository.diff(server_side=server_side) == ""


@pytest.mark.parametrize("seed", range(4))
def test_pruned_in_any_order_nothing_is_left_and_nothing_hangs(repository: Repository, world: World, seed: int) -> None:
    repository.apply(server_side=True)
    world.issue(*KEYS, within=30)
    everything = shuffled(repository.files, seed)
    assert repository.prune(everything) != []  # The organization is protected, so it stays, and keeps its owner.
    repository.files["Organization", "acme"]["spec"]["deletionProtection"] = False
    repository.apply(server_side=True, order=[("Organization", "acme")])
    assert repository.prune(everything) == []
    for plural in ("organizations", "memberships", "apikeys"):
        assert world.api.list(plural) == []
    eventually(lambda: world.api.list("secrets") == [], within=30, describe="no Secret is left")


def test_a_role_change_lives_its_whole_life_in_git(repository: Repository, world: World) -> None:
    repository.apply(server_side=True)
    tokens = world.issue(*KEYS, within=30)

    alice = repository.files["Membership", "alice"]
    alice["spec"]["role"] = "Viewer"
    refused = repository.apply(server_side=True, order=[("Membership", "alice")], check=False)
    assert f'{ACKNOWLEDGE}: "Viewer: ci-deploy, laptop"' in refused
    assert world.verdict(tokens["laptop"]) == "Valid"

    alice["metadata"]["annotations"] = {ACKNOWLEDGE: "Viewer: ci-deploy, laptop"}
    repository.files["ApiKey", "ci-deploy"]["spec"]["forRole"] = "Viewer"
    repository.apply(server_side=True, order=[("Membership", "alice"), ("ApiKey", "ci-deploy")])
    assert world.verdict(tokens["laptop"]) != "Valid"
    world.wait_new_token("ci-deploy", tokens["ci-deploy"], within=30)
    del repository.files["ApiKey", "laptop"]

    repository.prune([("Membership", "bob"), ("ApiKey", "bob-cli")])
    del repository.files["Membership", "bob"], repository.files["ApiKey", "bob-cli"]
    assert world.verdict(tokens["bob-cli"]) != "Valid"

    repository.apply(server_side=True)
    assert world.verdict(tokens["pipeline"]) == "Valid"
    assert repository.diff(server_side=True) == ""


@pytest.mark.parametrize("server_side", [False, True], ids=["client side", "server side"])
def test_git_does_not_take_a_suspension_back(repository: Repository, world: World, *, server_side: bool) -> None:
    repository.apply(server_side=server_side)
    token = world.issue(*KEYS, within=30)["laptop"]
    world.api.patch("organizations", "acme", {"spec": {"suspendedMembers": [{"name": "alice"}]}})
    assert world.verdict(token) == "Suspended"
    repository.apply(server_side=server_side)
    assert world.verdict(token) == "Suspended"
    assert repository.diff(server_side=server_side) == ""


def test_a_restore_issues_every_key_anew(repository: Repository, judged: Judged, world: World) -> None:
    repository.apply(server_side=True)
    tokens = world.issue(*KEYS, within=30)
    exported = [
        manifest(body) for plural in ("organizations", "memberships", "apikeys") for body in world.api.list(plural)
    ]
    name = f"test-{uuid4().hex[:10]}"
    judged.plane.kubectl("create", "namespace", name)
    restored = World(Api(judged.plane, name))
    restored.create(*({**body, "metadata": {**body["metadata"], "namespace": name}} for body in exported))
    new = restored.issue(*KEYS, within=30)
    assert {token.reveal() for token in new.values()}.isdisjoint(token.reveal() for token in tokens.values())
    restored.api.close()
    judged.plane.kubectl("delete", "namespace", name, "--wait=false")


def test_the_policy_keeps_a_labelled_namespace(judged: Judged) -> None:
    plane = judged.plane
    plane.kubectl("apply", "--filename", "manifests/policies/protected-namespaces.yaml")
    name = f"test-{uuid4().hex[:10]}"
    plane.kubectl("create", "namespace", name)
    plane.kubectl("label", "namespace", name, "tenure.dev/protect=true")

    def refused() -> bool:
        result = plane.kubectl("delete", "namespace", name, "--dry-run=server", check=False)
        return result.returncode != 0 and "holds a protected organization" in result.stderr

    eventually(refused, within=30, describe="the policy is in force")
    plane.kubectl("label", "namespace", name, "tenure.dev/protect-")
    plane.kubectl("delete", "namespace", name, "--wait=false")
