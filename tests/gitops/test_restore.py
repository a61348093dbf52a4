"""An organization comes back from Git, or from an export, with the same Secrets' names and other tokens."""

from collections.abc import Callable
from typing import Any

import pytest

from support.api.api import Api
from support.cluster.world import World
from support.objects.repository import KEYS, Address, Repository
from support.programs.judged import Judged
from support.programs.sync import EVERY_TOOL, Flux, Kubectl

Body = dict[str, Any]
STRIPPED = ("uid", "resourceVersion", "ownerReferences", "managedFields")
"""What docs/howto/migrate.md has people take out, beside the status."""


def cleaned(body: Body) -> Body:
    metadata = {key: value for key, value in body["metadata"].items() if key not in STRIPPED}
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}


def exported(repository: Repository) -> dict[Address, Body]:
    """What `kubectl get` gives, cleaned."""
    return {address: cleaned(body) for address, body in repository.live().items()}


def from_git(repository: Repository) -> dict[Address, Body]:
    return repository.files


SOURCES: dict[str, Callable[[Repository], dict[Address, Body]]] = {"export": exported, "Git": from_git}


@pytest.mark.parametrize(
    ("source", "tool"), [("export", "kubectl client side"), ("export", "kubectl server side"), ("Git", "Flux")]
)
def test_an_organization_is_restored_into_an_empty_namespace(
    repository: Repository, world: World, judged: Judged, source: str, tool: str
) -> None:
    Kubectl(repository).settle()
    world.issue(*KEYS, within=30)
    alice = repository.member("alice")
    alice["spec"]["role"] = "Viewer"
    alice["metadata"]["annotations"] = {"tenure.dev/acknowledge-key-deletion": "Viewer: ci-deploy, laptop"}
    for key in ("ci-deploy", "laptop"):
        repository.key(key)["spec"]["forRole"] = "Viewer"
    Kubectl(repository).settle()
    world.wait_role_change("alice", 2, within=30)
    old = world.issue(*KEYS, within=30)

    restored = Repository(judged.plane, repository.namespace, SOURCES[source](repository))
    judged.plane.kubectl("delete", "namespace", repository.namespace, "--timeout=300s")
    assert Api(judged.plane, repository.namespace).list("secrets") == []
    judged.plane.kubectl("create", "namespace", repository.namespace)
    assert EVERY_TOOL[tool](restored).settle() == 1

    new = world.issue(*KEYS, within=30)
    assert {token.reveal() for token in new.values()}.isdisjoint(token.reveal() for token in old.values())
    assert {world.verdict(token) for token in new.values()} == {"Valid"}
    assert {world.verdict(token) for token in old.values()} == {"NotFound"}
    assert world.member("alice")["metadata"]["generation"] == 1
    assert world.key("laptop")["status"]["issued"]["role"] == "Viewer"


def test_what_ended_before_the_export_is_issued_anew_after_it(
    repository: Repository, world: World, judged: Judged
) -> None:
    """A backup has no status, and so doesn't know: remove what ended from the repository."""
    Flux(repository).settle()
    world.issue(*KEYS, within=30)
    acknowledged = {"tenure.dev/acknowledge-key-deletion": "Viewer: ci-deploy, laptop"}
    world.change_role("alice", "Viewer", annotations=acknowledged)
    world.wait_reason("laptop", "RoleChanged", within=30)
    restored = Repository(judged.plane, repository.namespace, exported(repository))
    judged.plane.kubectl("delete", "namespace", repository.namespace, "--timeout=300s")
    judged.plane.kubectl("create", "namespace", repository.namespace)
    Kubectl(restored).settle()
    world.issue("laptop", within=30)
    assert world.key("laptop")["status"]["issued"]["role"] == "Viewer"
