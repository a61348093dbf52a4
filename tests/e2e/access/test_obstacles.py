"""What stands in the way of access in Kubernetes is said, and stops no key that nobody else could read."""

from support.cluster.access import (
    Start,
    reads,
    subjects,
    wait_condition,
    wait_reads,
    wait_role,
)
from support.cluster.world import World
from support.objects.manifests import api_key, member, organization, role_binding
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.access.bindings import group
from tenure.domain.roles import Role
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT


def test_somebody_elses_binding_is_left_alone_and_keys_are_issued(world: World, start: Start) -> None:
    created = world.api.create("rolebindings", role_binding("tenure-viewer"))
    start()
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    said = wait_condition(world, "BindingConflict")
    assert "RoleBinding" in str(said)
    wait_role(world, "alice", Role.MEMBER)
    assert world.api.get("rolebindings", "tenure-viewer") == created
    world.api.delete("rolebindings", "tenure-viewer")
    eventually(
        lambda: group(world.api.namespace, Role.VIEWER) in subjects(world, Role.VIEWER),
        within=60,
        describe="the name is free, and taken",
    )
    wait_condition(world, "Bound")


def test_without_the_rights_a_condition_says_so_and_keys_are_issued(world: World, start: Start, unbound: str) -> None:
    start("Roles", account=unbound)
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_condition(world, "BindingForbidden")


def test_where_it_can_not_be_seen_who_reads_a_secret_its_key_waits_and_says_so(
    world: World, start: Start, unsighted: str
) -> None:
    operator = start(account=unsighted)
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    said = world.wait_reason("laptop", "SecretExposed", within=20)
    conditions = {condition["type"]: condition for condition in said["status"]["conditions"]}
    assert 'cannot list resource "roles"' in conditions["Ready"]["message"]
    assert conditions["Stalled"]["status"] == "True"
    assert world.api.get("secrets", "laptop") is None
    assert len(world.events("SecretExposed")) == 1
    operator.stop()
    start()
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")


def test_where_a_secret_can_not_be_closed_its_key_waits_and_says_so(
    world: World, operator: OperatorProcess, start: Start, unclosing: str
) -> None:
    world.create(organization(), member("alice"), member("bob"), api_key("deploy", "alice"))
    world.issue("deploy", within=20)
    wait_reads(world, "alice", "deploy")
    operator.stop()
    world.api.delete("apikeys", "deploy")
    world.wait_gone("secrets", "deploy", within=30)
    world.create(api_key("deploy", "bob"), api_key("bobs", "bob"))
    own = start(account=unclosing)
    said = world.wait_reason("deploy", "SecretExposed", within=20)
    assert "tenure-keys-alice" in str(said["status"]["conditions"])
    world.issue("bobs", within=20)
    assert world.api.get("secrets", "deploy") is None
    own.stop()
    operator.start()
    world.issue("deploy", within=20)
    assert reads(world, "alice", "deploy") == [False]


def test_without_the_cluster_roles_a_condition_says_so_until_they_are_there(
    world: World, start: Start, control_plane: ControlPlane
) -> None:
    control_plane.kubectl("delete", "clusterrole", "tenure-analyst")
    try:
        start()
        world.create(organization(), member("alice"), api_key("laptop", "alice"))
        world.issue("laptop", within=20)
        wait_condition(world, "ClusterRoleMissing")
    finally:
        control_plane.kubectl("apply", "--server-side", f"--filename={CHECKOUT / 'manifests' / 'roles.yaml'}")
    eventually(lambda: subjects(world, Role.ANALYST), within=60, describe="the binding follows")
    wait_condition(world, "Bound")


def test_a_forged_binding_of_ours_is_replaced(world: World, start: Start) -> None:
    """One that names the Organization as its owner, but binds another role: nobody of ours gets into it."""
    (acme,) = world.create(organization())
    owner = {"apiVersion": acme["apiVersion"], "kind": "Organization", "name": "acme", "uid": acme["metadata"]["uid"]}
    forged = role_binding("tenure-member")
    forged["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    world.api.create("rolebindings", forged)
    start()
    world.create(member("alice"))
    wait_role(world, "alice", Role.MEMBER)
    found = world.api.get("rolebindings", "tenure-member")
    assert found is not None
    assert found["roleRef"]["name"] == "tenure-member"
    wait_condition(world, "Bound")
