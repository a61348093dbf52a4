"""Removed from Git, an organization goes in any order, with everything of it, and nothing waits for anybody."""

import json
from collections.abc import Sequence

import pytest

from support.api.api import Api
from support.cluster.world import PLURALS, World
from support.objects.repository import KEYS, ORDERS, Address, Repository, ordered
from support.programs.judged import Judged
from support.programs.sync import TOOLS, Flux, Kubectl, refusals
from support.run.eventually import eventually

ORGANIZATION: Address = ("Organization", "acme")
OWNER: Address = ("Membership", "olga")
PROTECTED = "spec.deletionProtection: Organization acme is protected"
LAST_OWNER = "olga is the only Owner of Organization acme"
ROUNDS = 3


def unprotect(repository: Repository) -> None:
    repository.files[ORGANIZATION]["spec"]["deletionProtection"] = False


def delete(repository: Repository, addresses: Sequence[Address], cascade: str = "background") -> list[Address]:
    """Delete each object without waiting for it; return those that were refused."""
    refused = []
    for kind, name in addresses:
        target = (PLURALS[kind], name, f"--namespace={repository.namespace}", "--ignore-not-found")
        result = repository.plane.kubectl("delete", *target, f"--cascade={cascade}", "--wait=false", check=False)
        if refusals(result):
            refused.append((kind, name))
    return refused


def assert_nothing_is_left(repository: Repository, world: World) -> None:
    eventually(lambda: repository.live() == {}, within=30, describe="no object is left")
    eventually(lambda: world.api.list("secrets") == [], within=30, describe="no Secret is left")


@pytest.mark.parametrize(
    ("order", "cascade"),
    [
        *((order, "background") for order in ORDERS),
        *((order, cascade) for cascade in ("foreground", "orphan") for order in ("reversed", "shuffled 1")),
    ],
)
def test_pruned_in_any_order_nothing_is_left_and_nothing_hangs(
    repository: Repository, world: World, order: str, cascade: str
) -> None:
    unprotect(repository)
    Kubectl(repository).settle()
    world.issue(*KEYS, within=30)
    left = ordered(repository.files, order)
    rounds = 0
    while left and rounds < ROUNDS:
        left = delete(repository, left, cascade)
        assert set(left) <= {OWNER}
        rounds += 1
    assert left == []
    assert rounds <= 2
    assert_nothing_is_left(repository, world)


@pytest.mark.parametrize("tool", TOOLS)
def test_an_organization_is_removed_by_two_commits(repository: Repository, world: World, tool: str) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    world.issue(*KEYS, within=30)
    unprotect(repository)
    assert sync.settle() == 1
    repository.remove(*list(repository.files))
    assert sync.settle() <= 2
    assert_nothing_is_left(repository, world)
    repository.plane.kubectl("delete", "namespace", repository.namespace, "--timeout=300s")


@pytest.mark.parametrize("tool", TOOLS)
def test_a_protected_organization_that_is_pruned_keeps_its_owner_and_nothing_else(
    repository: Repository, world: World, tool: str
) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    world.issue(*KEYS, within=30)
    files = dict(repository.files)
    repository.remove(*list(repository.files))
    refused = "\n".join(sync.sync() + sync.sync())
    assert PROTECTED in refused
    assert LAST_OWNER in refused
    eventually(lambda: set(repository.live()) == {ORGANIZATION, OWNER}, within=30, describe="the owner stays")
    repository.files.update(files)
    sync.settle()
    assert world.issue(*KEYS, within=30)


def test_the_last_owner_can_go_as_soon_as_the_organization_does(repository: Repository) -> None:
    unprotect(repository)
    Kubectl(repository).settle()
    assert delete(repository, [OWNER]) == [OWNER]
    assert delete(repository, [ORGANIZATION, OWNER]) == []


def test_the_last_owner_can_go_while_the_organization_is_held_by_a_finalizer(
    repository: Repository, world: World
) -> None:
    unprotect(repository)
    repository.files[ORGANIZATION]["metadata"]["finalizers"] = ["example.com/held"]
    Kubectl(repository).settle()
    assert delete(repository, [ORGANIZATION]) == []
    assert world.api.get("organizations", "acme") is not None
    assert delete(repository, [OWNER]) == []
    world.api.patch("organizations", "acme", {"metadata": {"finalizers": None}})


def test_kubectl_prunes_an_organization_whose_kind_it_is_told_first(repository: Repository, world: World) -> None:
    """`kubectl apply --prune` stops at the first refusal, which the last owner's would be."""
    unprotect(repository)
    for body in repository.files.values():
        body["metadata"]["labels"] = {"acme.io/repository": "organizations"}
    kinds = [f"--prune-allowlist=tenure.dev/v1alpha1/{kind}" for kind in ("Organization", "Membership", "ApiKey")]
    prune = ("--prune", "--selector=acme.io/repository=organizations", *kinds, f"--namespace={repository.namespace}")
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": repository.namespace}}
    kept["metadata"] |= {"labels": {"acme.io/repository": "organizations"}}  # type: ignore[operator]
    for bodies in ([kept, *repository.files.values()], [kept]):
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        repository.plane.kubectl("apply", *prune, "--filename=-", input=document)
        if len(bodies) > 1:
            world.issue(*KEYS, within=30)
    assert_nothing_is_left(repository, world)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_person_is_removed_with_their_keys(repository: Repository, world: World, tool: str) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    tokens = world.issue(*KEYS, within=30)
    repository.remove(("Membership", "bob"), ("ApiKey", "bob-cli"))
    assert sync.settle() == 1
    assert world.verdict(tokens["bob-cli"]) != "Valid"
    world.wait_gone("apikeys", "bob-cli", within=30)
    world.wait_gone("secrets", "bob-cli", within=30)
    assert world.verdict(tokens["laptop"]) == "Valid"


@pytest.mark.parametrize("tool", TOOLS)
def test_a_key_whose_person_alone_is_removed_stays_and_says_so(repository: Repository, world: World, tool: str) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    token = world.issue(*KEYS, within=30)["bob-cli"]
    repository.remove(("Membership", "bob"))
    assert sync.settle() == 1
    assert world.verdict(token) != "Valid"
    world.wait_reason("bob-cli", "MembershipGone", within=30)
    world.wait_gone("secrets", "bob-cli", within=30)
    assert sync.settle() == 1
    world.wait_reason("bob-cli", "MembershipGone", within=30)


def test_a_namespace_takes_even_a_protected_organization_along(
    repository: Repository, world: World, judged: Judged
) -> None:
    Kubectl(repository).settle()
    world.issue(*KEYS, within=30)
    judged.plane.kubectl("delete", "namespace", repository.namespace, "--timeout=300s")
    assert Api(judged.plane, repository.namespace).list("secrets") == []


@pytest.mark.parametrize("forgets", [False, True], ids=["since Flux 2.9", "before Flux 2.9"])
def test_what_flux_could_not_prune_goes_later(repository: Repository, *, forgets: bool) -> None:
    """Before Flux 2.9 it doesn't: such an object is in no inventory any more."""
    sync = Flux(repository, forgets=forgets)
    sync.settle()
    repository.remove(OWNER, ("ApiKey", "olga-admin"))
    (refused,) = sync.sync()
    assert LAST_OWNER in refused
    heir = repository.member("anna")
    heir["spec"]["role"] = "Owner"
    heir["metadata"]["annotations"] = {"tenure.dev/acknowledge-key-deletion": "Owner: cost-report"}
    assert sync.settle() == 1
    assert (OWNER in repository.live()) is forgets
