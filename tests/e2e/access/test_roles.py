"""A role has effect in Kubernetes: people and keys hold its ClusterRole."""

import pytest

from support.cluster.access import (
    PEOPLE,
    VERBS,
    Body,
    Start,
    may,
    of_own_keys,
    user,
    wait_condition,
    wait_reads,
    wait_role,
)
from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.access.bindings import group
from tenure.domain.roles import Access, Capability, Role, level_of
from tenure_dev.controlplane import ControlPlane


@pytest.mark.usefixtures("operator")
def test_every_capability_is_as_the_table_says_for_people_and_for_keys(world: World) -> None:
    world.create(organization(), *(member(name, role.value) for name, role in PEOPLE.items()))
    wait_condition(world, "Bound")
    for name, role in PEOPLE.items():
        wait_role(world, name, role)
        identities: list[tuple[Access, Body]] = [
            (Access.FULL, {"user": user(name)}),
            *((access, {"groups": [group(world.api.namespace, role, access)]}) for access in Access),
        ]
        for access, who in identities:
            for capability in Capability:
                for level, verb in VERBS.items():
                    allowed = may(world, verb, f"organizations/{capability.value}", "acme", **who)
                    wanted = level_of(role, access, capability) >= level
                    assert allowed is wanted, (role, capability, level, who)


@pytest.mark.usefixtures("operator")
def test_kubectl_answers_as_the_page_says(world: World, control_plane: ControlPlane) -> None:
    world.create(organization(), member("alice"), member("bob", "Owner"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_role(world, "bob", Role.OWNER)
    wait_reads(world, "alice", "laptop")

    def kubectl(person: str, *args: str) -> str:
        options = (f"--namespace={world.api.namespace}", f"--as={user(person)}")
        result = control_plane.kubectl(*args, *options, check=False)
        return (result.stdout or result.stderr).strip()

    question = ("auth", "can-i", "update", "organizations.tenure.dev/acme", "--subresource=billing")
    assert [kubectl(person, *question) for person in ("alice", "bob")] == ["no", "yes"]
    secret = ("get", "secret", "laptop", "--output=name")
    assert kubectl("alice", *secret) == "secret/laptop"
    assert "(Forbidden)" in kubectl("bob", *secret)


@pytest.mark.usefixtures("operator")
def test_owners_grant_every_role_and_others_none(world: World) -> None:
    world.create(organization(), *(member(name, role.value) for name, role in PEOPLE.items()))
    for name, role in PEOPLE.items():
        wait_role(world, name, role)
        granted = [
            may(world, f"grant-{given.value.lower()}", "organizations", "acme", user=user(name)) for given in Role
        ]
        assert granted == [role is Role.OWNER] * len(Role)
        assert may(world, "list", "memberships", "", user=user(name))


@pytest.mark.usefixtures("operator")
def test_a_role_change_moves_the_person_and_a_removal_takes_everything(world: World) -> None:
    world.create(organization(), member("olga", "Owner"), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_role(world, "alice", Role.MEMBER)
    wait_reads(world, "alice", "laptop")
    world.change_role("alice", "Viewer")
    wait_role(world, "alice", Role.VIEWER)
    wait_reads(world, "alice", "laptop", wanted=False)
    # An orphaning deletion strips the owner references, so that no garbage collector comes.
    world.api.delete("memberships", "alice", propagationPolicy="Orphan")
    wait_role(world, "alice", None)
    eventually(lambda: of_own_keys(world) == [], within=20, describe="her Role and RoleBinding are gone")


@pytest.mark.parametrize(
    ("suspension", "lifted"),
    [
        ({"suspendedMembers": [{"name": "alice", "reason": "INC-1"}]}, {"suspendedMembers": None}),
        ({"suspended": True}, {"suspended": None}),
    ],
    ids=["the member", "the organization"],
)
@pytest.mark.usefixtures("operator")
def test_whoever_is_suspended_holds_nothing(world: World, suspension: Body, lifted: Body) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")
    world.api.patch("organizations", "acme", {"spec": suspension})
    wait_role(world, "alice", None)
    wait_reads(world, "alice", "laptop", wanted=False)
    world.api.patch("organizations", "acme", {"spec": lifted})
    wait_role(world, "alice", Role.MEMBER)
    wait_reads(world, "alice", "laptop")


def test_what_somebody_adds_to_a_binding_is_taken_out_at_the_next_look(world: World, start: Start) -> None:
    operator = start("Roles")
    world.create(organization(), member("olga", "Owner"))
    wait_role(world, "olga", Role.OWNER)
    intruder = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user("mallory")}
    before = world.api.get("rolebindings", "tenure-owner")
    assert before is not None
    world.api.patch("rolebindings", "tenure-owner", {"subjects": [*before["subjects"], intruder]})
    operator.stop()
    operator.start()
    wait_role(world, "mallory", None)
    wait_role(world, "olga", Role.OWNER)


def test_a_restart_writes_nothing(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")
    wait_condition(world, "Bound")
    world.wait_rest()
    before = versions(world)
    operator.stop()
    operator.start()
    world.create(api_key("second", "alice"))
    world.issue("second", within=20)
    wait_reads(world, "alice", "second")
    after = versions(world)
    assert {name for name in after if before.get(name) != after[name]} == {"roles/tenure-keys-alice"}


def versions(world: World) -> dict[str, str]:
    return {
        f"{plural}/{body['metadata']['name']}": body["metadata"]["resourceVersion"]
        for plural in ("roles", "rolebindings")
        for body in world.api.list(plural)
    }
