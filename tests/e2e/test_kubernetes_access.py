"""A role has effect in Kubernetes: people and keys hold its ClusterRole, and people read their own keys' Secrets."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api import ApiRefusedError
from support.eventually import eventually
from support.identity import CONTROLLER, config_of
from support.manifests import api_key, member, organization, role_binding, service_account
from support.operator_process import OperatorProcess
from support.rights import grant
from support.world import World
from tenure.domain.bindings import group
from tenure.domain.rbac import cluster_role_name
from tenure.domain.roles import CAPABILITIES, Capability, Level, Role
from tenure.kube.preflight import DEFINITION_RIGHTS, RIGHTS
from tenure_dev.chart import NAMESPACE
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

Body = dict[str, Any]
Start = Callable[..., OperatorProcess]

PEOPLE = {"olga": Role.OWNER, "alice": Role.MEMBER, "anna": Role.ANALYST, "vic": Role.VIEWER}
VERBS = {Level.VIEW: "get", Level.FULL: "update"}
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
ROLES = CHECKOUT / "manifests" / "roles.yaml"


@pytest.fixture(scope="module", autouse=True)
def _cluster_roles(control_plane: ControlPlane) -> None:
    control_plane.kubectl("apply", "--server-side", f"--filename={ROLES}")


@pytest.fixture
def start(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Give a start of the operator, as the chart's ServiceAccount unless another identity is named."""
    started: list[OperatorProcess] = []

    def start(access: str = "RolesAndKeys", *, account: str = CONTROLLER) -> OperatorProcess:
        options = (f"--namespace={namespace}", f"--kubernetes-access={access}", "--username-prefix=oidc:")
        operator = OperatorProcess(config_of(control_plane, account), tmp_path / "operator.log", *options)
        started.append(operator)
        return operator.start()

    yield start
    for operator in started:
        if operator.running:
            operator.stop()


@pytest.fixture
def unbound(control_plane: ControlPlane) -> str:
    """Give a ServiceAccount that may do what the controller does, but bind roles."""
    control_plane.kubectl("create", "serviceaccount", "tenure-unbound", f"--namespace={NAMESPACE}")
    account = f"system:serviceaccount:{NAMESPACE}:tenure-unbound"
    for body in grant(account, [right.to_rule() for right in (*RIGHTS, *DEFINITION_RIGHTS)]):
        control_plane.kubectl("apply", "--filename=-", input=json.dumps(body))
    return account


def may(
    world: World, verb: str, resource: str, name: str, *, user: str = "nobody", groups: list[str] | None = None
) -> bool:
    """Ask the API server's authorizer."""
    kind, _, sub = resource.partition("/")
    api_group = "" if kind == "secrets" else "tenure.dev"
    asked = {"group": api_group, "resource": kind, "subresource": sub, "verb": verb, "name": name}
    asked["namespace"] = world.api.namespace
    spec = {"user": user, "groups": ["system:authenticated", *(groups or [])], "resourceAttributes": asked}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(world.api.review(REVIEWS, body)["status"]["allowed"])


def reads(world: World, person: str, *names: str) -> list[bool]:
    return [may(world, "get", "secrets", name, user=user(person)) for name in names]


def user(person: str) -> str:
    return f"oidc:{person}@acme.io"


def wait_reads(world: World, person: str, name: str, *, wanted: bool = True) -> None:
    eventually(
        lambda: reads(world, person, name) == [wanted], within=20, describe=f"{person} reads Secret {name}: {wanted}"
    )


def wait_role(world: World, person: str, role: Role | None) -> None:
    """Wait until a person is a subject of exactly this role's RoleBinding."""

    def held() -> list[Role]:
        return [one for one in Role if user(person) in subjects(world, one)]

    eventually(lambda: held() == ([] if role is None else [role]), within=20, describe=f"{person} holds {role}")


def subjects(world: World, role: Role) -> list[str]:
    found = world.api.get("rolebindings", cluster_role_name(role))
    return [] if found is None else [subject["name"] for subject in found.get("subjects", [])]


def wait_condition(world: World, reason: str) -> Body:
    return world.wait_reason("acme", reason, plural="organizations", within=20, type_="RolesBound")


def test_every_capability_is_as_the_table_says_for_people_and_for_keys(world: World, start: Start) -> None:
    start()
    world.create(organization(), *(member(name, role.value) for name, role in PEOPLE.items()))
    wait_condition(world, "Bound")
    for name, role in PEOPLE.items():
        wait_role(world, name, role)
    for name, role in PEOPLE.items():
        identities: list[Body] = [{"user": user(name)}, {"groups": [group(world.api.namespace, role)]}]
        for who in identities:
            for capability in Capability:
                for level, verb in VERBS.items():
                    allowed = may(world, verb, f"organizations/{capability.value}", "acme", **who)
                    wanted = CAPABILITIES[role][capability] >= level
                    assert allowed is wanted, (role, capability, level, who)


def test_kubectl_answers_as_the_page_says(world: World, start: Start, control_plane: ControlPlane) -> None:
    start()
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


def test_owners_grant_every_role_and_others_none(world: World, start: Start) -> None:
    start()
    world.create(organization(), *(member(name, role.value) for name, role in PEOPLE.items()))
    for name, role in PEOPLE.items():
        wait_role(world, name, role)
        granted = [
            may(world, f"grant-{given.value.lower()}", "organizations", "acme", user=user(name)) for given in Role
        ]
        assert granted == [role is Role.OWNER] * len(Role)
        assert may(world, "list", "memberships", "", user=user(name))


def test_a_role_change_moves_the_person_and_a_removal_takes_everything(world: World, start: Start) -> None:
    start()
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
    eventually(lambda: world.api.get("roles", "tenure-keys-alice") is None, within=20, describe="her Role is gone")
    eventually(lambda: world.api.get("rolebindings", "tenure-keys-alice") is None, within=20, describe="and binding")


def test_a_person_reads_their_own_keys_and_no_others(world: World, start: Start) -> None:
    start()
    world.create(organization(), member("alice"), member("bob"), service_account("ci"))
    world.create(api_key("laptop", "alice"), api_key("bobs", "bob"), api_key("pipeline", "ci"))
    world.issue("laptop", "bobs", "pipeline", within=20)
    wait_reads(world, "alice", "laptop")
    wait_reads(world, "bob", "bobs")
    assert reads(world, "alice", "bobs", "pipeline") == [False, False]
    assert reads(world, "bob", "laptop", "pipeline") == [False, False]
    alice = world.api.as_user(user("alice"))
    assert alice.get("secrets", "laptop") is not None
    with pytest.raises(ApiRefusedError, match="403"):
        alice.list("secrets")
    alice.close()


def test_a_burst_of_keys_is_few_writes(world: World, start: Start) -> None:
    start()
    world.create(organization(), member("alice"))
    names = [f"key-{number}" for number in range(15)]
    world.create(*(api_key(name, "alice") for name in names))
    world.issue(*names, within=30)
    for name in names:
        wait_reads(world, "alice", name)
    role = world.api.get("roles", "tenure-keys-alice")
    assert role is not None
    assert len(role["rules"]) == 1
    assert role["rules"][0]["resourceNames"] == sorted(names)
    assert role["metadata"].get("generation", 1) <= 4


@pytest.mark.parametrize(
    ("suspension", "lifted"),
    [
        ({"suspendedMembers": [{"name": "alice", "reason": "INC-1"}]}, {"suspendedMembers": None}),
        ({"suspended": True}, {"suspended": None}),
    ],
    ids=["the member", "the organization"],
)
def test_whoever_is_suspended_holds_nothing(world: World, start: Start, suspension: Body, lifted: Body) -> None:
    start()
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")
    world.api.patch("organizations", "acme", {"spec": suspension})
    wait_role(world, "alice", None)
    wait_reads(world, "alice", "laptop", wanted=False)
    world.api.patch("organizations", "acme", {"spec": lifted})
    wait_role(world, "alice", Role.MEMBER)
    wait_reads(world, "alice", "laptop")


def test_a_name_that_changes_hands_is_never_open_to_the_former_holder(world: World, start: Start) -> None:
    operator = start()
    world.create(organization(), member("alice"), member("bob"), api_key("deploy", "alice"))
    world.issue("deploy", within=20)
    wait_reads(world, "alice", "deploy")
    operator.stop()
    world.api.delete("apikeys", "deploy")
    world.wait_gone("secrets", "deploy", within=30)
    world.create(api_key("deploy", "bob"))
    assert reads(world, "alice", "deploy") == [True]  # The grant outlived the key while nobody took care.
    operator.start()

    def closed_or_empty() -> bool:
        # In this order: a Secret that is seen must have been closed to her before.
        there = world.api.get("secrets", "deploy") is not None
        assert not there or reads(world, "alice", "deploy") == [False]
        return there

    eventually(closed_or_empty, within=20, describe="bob's key has its Secret")
    wait_reads(world, "bob", "deploy")


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
    start(account=unbound)
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_condition(world, "BindingForbidden")


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
        control_plane.kubectl("apply", "--server-side", f"--filename={ROLES}")
    eventually(lambda: subjects(world, Role.ANALYST), within=60, describe="the binding follows")
    wait_condition(world, "Bound")


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


def test_without_own_keys_nobody_reads_a_secret(world: World, start: Start) -> None:
    start("Roles")
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_role(world, "alice", Role.MEMBER)
    assert reads(world, "alice", "laptop") == [False]
    assert world.api.list("roles") == [] or all(
        "keys" not in body["metadata"]["name"] for body in world.api.list("roles")
    )


def test_with_less_access_than_before_what_is_left_goes_as_the_page_says(
    world: World, start: Start, control_plane: ControlPlane
) -> None:
    page = (CHECKOUT / "docs" / "kubernetes-access.md").read_text()
    (command,) = [line for line in page.splitlines() if line.startswith("kubectl delete ")]
    operator = start()
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")
    operator.stop()
    control_plane.kubectl(*shlex.split(command)[1:])
    assert world.api.list("roles") == world.api.list("rolebindings") == []
    start("Roles")
    wait_role(world, "alice", Role.MEMBER)
    assert world.api.list("roles") == []
    assert reads(world, "alice", "laptop") == [False]


def test_a_restart_writes_nothing(world: World, start: Start) -> None:
    operator = start()
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")
    wait_condition(world, "Bound")
    world.wait_counted()
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
