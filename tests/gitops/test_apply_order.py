"""Applied in any order, twice and by whichever tool, the samples converge, and nothing differs afterwards."""

import json
from typing import Any

import pytest

from support.api.client import Client
from support.cluster.world import PLURALS, World
from support.objects.repository import KEYS, ORDERS, Address, Repository, ordered
from support.programs.judged import Judged
from support.programs.sync import EVERY_TOOL, Kubectl

Body = dict[str, Any]

MANAGERS = {
    "client side": (),
    "server side as argocd-controller": ("--server-side", "--force-conflicts", "--field-manager=argocd-controller"),
    "server side as kustomize-controller": (
        *("--server-side", "--force-conflicts", "--field-manager=kustomize-controller"),
    ),
}


def settled(world: World) -> dict[str, str]:
    """Wait until there is nothing left to be done, and return the keys' tokens."""
    tokens = world.issue(*KEYS, within=30)
    world.wait_rest(within=30)
    return {name: token.reveal() for name, token in tokens.items()}


def difference(repository: Repository, *mode: str) -> str:
    """What `kubectl diff` shows between Git and the cluster."""
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(repository.files.values())})
    result = repository.plane.kubectl("diff", *mode, "--filename=-", input=document, check=False)
    return result.stdout + result.stderr


def lines(repository: Repository, order: list[Address], *mode: str) -> set[str]:
    """Apply everything in an order, and return the last word of kubectl on each object."""
    items = [repository.files[address] for address in order]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    output = repository.plane.kubectl("apply", *mode, "--filename=-", input=document).stdout.splitlines()
    assert len(output) == len(items)
    return {line.split()[-1] for line in output}


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("order", ORDERS)
def test_applied_in_any_order_and_twice_nothing_differs(
    repository: Repository, world: World, order: str, manager: str
) -> None:
    mode, addresses = MANAGERS[manager], ordered(repository.files, order)
    is_client_side = not mode
    assert lines(repository, addresses, *mode) == {"created" if is_client_side else "serverside-applied"}
    settled(world)
    before = repository.versions()
    second = lines(repository, addresses[::-1], *mode)
    assert second == {"unchanged" if is_client_side else "serverside-applied"}
    assert repository.versions() == before
    assert difference(repository, *mode) == ""


@pytest.mark.parametrize("tool", EVERY_TOOL)
def test_a_tool_settles_at_its_first_try_and_changes_nothing_at_the_next(
    repository: Repository, world: World, tool: str
) -> None:
    sync = EVERY_TOOL[tool](repository)
    assert sync.settle() == 1
    tokens = settled(world)
    before = repository.versions()
    assert sync.settle() == 1
    assert repository.versions() == before
    assert settled(world) == tokens


@pytest.mark.parametrize("tool", EVERY_TOOL)
def test_a_tool_that_takes_over_from_kubectl_replaces_no_key(repository: Repository, world: World, tool: str) -> None:
    Kubectl(repository).settle()
    tokens = settled(world)
    EVERY_TOOL[tool](repository).settle()
    assert settled(world) == tokens


@pytest.mark.parametrize("client_side_first", [True, False], ids=["applied client side", "applied server side"])
def test_a_server_side_diff_of_argocd_is_empty(
    repository: Repository, world: World, judged: Judged, *, client_side_first: bool
) -> None:
    """Argo CD applies as a dry-run, and compares the answer with the object, without managed fields."""
    Kubectl(repository, "as written", *(() if client_side_first else ("--server-side",))).settle()
    settled(world)
    client = Client(judged.plane, repository.namespace)
    for (kind, name), body in repository.files.items():
        foretold = client.apply(PLURALS[kind], body, fieldManager="argocd-controller", dryRun="All")
        assert unmanaged(foretold) == unmanaged(client.get(PLURALS[kind], name) or {})
    client.close()


def unmanaged(body: Body) -> Body:
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": metadata}
