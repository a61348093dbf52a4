"""Where less access is given than before, what is left goes as the page says."""

import shlex

from support.cluster.access import (
    Start,
    of_own_keys,
    reads,
    wait_reads,
    wait_role,
)
from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.roles import Role
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT


def test_without_own_keys_nobody_reads_a_secret(world: World, start: Start) -> None:
    start("Roles")
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_role(world, "alice", Role.MEMBER)
    assert reads(world, "alice", "laptop") == [False]
    assert world.api.list("roles") == [] or all(
        "keys" not in body["metadata"]["name"] for body in world.api.list("roles")
    )


def commands(heading: str) -> list[list[str]]:
    """What the page says below a heading, as kubectl's arguments."""
    page = (CHECKOUT / "docs" / "kubernetes-access.md").read_text()
    _, _, below = page.partition(f"### {heading}\n")
    text = below.partition("\n#")[0]
    found = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("kubectl delete ")]
    assert found, heading
    return found


def test_with_roles_only_nobody_reads_secrets_any_more_and_the_page_says_how_to_remove_the_rest(
    world: World, operator: OperatorProcess, start: Start, control_plane: ControlPlane
) -> None:
    world.create(organization(), member("alice"), member("bob"), api_key("laptop", "alice"), api_key("deploy", "alice"))
    world.issue("laptop", "deploy", within=20)
    wait_reads(world, "alice", "laptop")
    wait_reads(world, "alice", "deploy")
    operator.stop()
    world.api.delete("apikeys", "deploy")
    world.wait_gone("secrets", "deploy", within=30)
    world.create(api_key("deploy", "bob"))
    start("Roles")
    world.issue("deploy", within=20)
    assert reads(world, "alice", "deploy") == [False]
    eventually(lambda: of_own_keys(world) == ["roles/tenure-keys-alice"], within=20, describe="no binding is left")
    assert reads(world, "alice", "laptop") == [False]
    for command in commands("To `Roles`"):
        control_plane.kubectl(*command)
    assert of_own_keys(world) == []
    world.change_role("alice", "Viewer")
    wait_role(world, "alice", Role.VIEWER)


def test_with_no_access_nothing_is_left_once_the_page_is_followed(
    world: World, operator: OperatorProcess, start: Start, control_plane: ControlPlane
) -> None:
    world.create(organization(), member("olga", "Owner"), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")
    wait_role(world, "olga", Role.OWNER)
    operator.stop()
    own = start("None")
    for command in commands("To `None`"):
        control_plane.kubectl(*command)
    assert world.api.list("roles") == world.api.list("rolebindings") == []
    world.create(api_key("second", "alice"))
    world.issue("second", within=20)
    world.wait_counted()
    assert own.running
    assert world.api.list("roles") == world.api.list("rolebindings") == []
