"""People read the Secrets of their own keys and no others, whoever had a name before."""

import asyncio
import base64
import contextlib
import threading
from pathlib import Path

import pytest

from support.api.api import ApiRefusedError
from support.api.audit import Audit
from support.cluster.access import Body, giving, of_own_keys, reads, user, wait_reads
from support.cluster.identity import CONTROLLER
from support.cluster.world import World
from support.faults.exchange import Answer, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure_dev.cluster import RunningCluster
from tenure_dev.controlplane import ControlPlane


@pytest.mark.usefixtures("operator")
def test_a_person_reads_their_own_keys_and_no_others(world: World) -> None:
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


@pytest.mark.usefixtures("operator")
def test_a_burst_of_keys_is_few_writes(world: World, audit: Audit) -> None:
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
    writes = writes_of(audit, world, "tenure-keys-alice")
    assert writes[:2] == [("create", "roles"), ("create", "rolebindings")]
    assert len(writes) <= 5, writes


def by_hand(secret: str, username: str, verb: str = "get") -> dict[str, Body]:
    """A Role and a RoleBinding by which somebody lets a user read a Secret."""
    api, name = "rbac.authorization.k8s.io", {"name": "by-hand"}
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": [verb]}
    subject = {"apiGroup": api, "kind": "User", "name": username}
    role = {"apiGroup": api, "kind": "Role", **name}
    return {
        "roles": {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": name, "rules": [rule]},
        "rolebindings": {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": name,
            "roleRef": role,
            "subjects": [subject],
        },
    }


def leave_a_grant(world: World, operator: OperatorProcess) -> None:
    """Have Alice read the Secret of her key, stop the operator, and have the key go."""
    world.create(organization(), member("alice"), member("bob"), api_key("deploy", "alice"))
    world.issue("deploy", within=20)
    wait_reads(world, "alice", "deploy")
    operator.stop()
    world.api.delete("apikeys", "deploy")


def test_a_name_that_changes_hands_is_never_open_to_the_former_holder(world: World, operator: OperatorProcess) -> None:
    leave_a_grant(world, operator)
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


@pytest.mark.usefixtures("operator")
def test_a_key_that_is_handed_over_never_shows_its_next_token_to_the_former_holder(world: World) -> None:
    world.create(organization(), member("alice"), member("bob"), api_key("deploy", "alice"))
    old = world.issue("deploy", within=20)["deploy"]
    wait_reads(world, "alice", "deploy")
    shown: set[str] = set()
    is_over = threading.Event()

    def poll() -> None:
        """Read the Secret as Alice, again and again."""
        alice = world.api.as_user(user("alice"))
        while not is_over.is_set():
            with contextlib.suppress(ApiRefusedError):
                if (secret := alice.get("secrets", "deploy")) is not None:
                    shown.add(base64.b64decode(secret["data"]["token"]).decode())
        alice.close()

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        world.change_key("deploy", membership="bob")
        world.wait_new_token("deploy", old, within=30)
        wait_reads(world, "bob", "deploy")
    finally:
        is_over.set()
        reader.join()
    assert shown == {old.reveal()}
    assert reads(world, "alice", "deploy") == [False]


def rotating(world: World) -> str:
    """The message of the condition Rotating of the key, or an empty text."""
    key = world.api.get("apikeys", "deploy") or {}
    conditions = key.get("status", {}).get("conditions", ())
    return next((one["message"] for one in conditions if one["type"] == "Rotating"), "")


def wait_told(world: World, words: str) -> None:
    """Wait until the condition Rotating of the key says something."""
    eventually(lambda: words in rotating(world), within=60, describe=words)


@pytest.mark.usefixtures("operator")
def test_a_former_holder_with_other_rights_keeps_the_next_token_out_of_the_secret(world: World) -> None:
    world.create(organization(), member("alice"), service_account("ci"), api_key("deploy", "alice"))
    old = world.issue("deploy", within=20)["deploy"]
    for plural, body in by_hand("deploy", user("alice"), "list").items():
        world.api.create(plural, body)
    world.change_key("deploy", membership="ci")
    world.wait_reason("deploy", "SecretExposed", within=60, type_="Rotating")
    for verb in ("list", "get"):
        world.api.patch("roles", "by-hand", {"rules": by_hand("deploy", user("alice"), verb)["roles"]["rules"]})
        command = f"can-i {verb} secret/deploy -n {world.api.namespace} --as {user('alice')}"
        wait_told(world, command)
    assert world.events("SecretExposed")
    assert world.token("deploy") == old
    assert world.verdict(old) == "Valid"

    world.api.delete("rolebindings", "by-hand")
    world.wait_new_token("deploy", old, within=60)


@pytest.mark.usefixtures("operator")
def test_without_a_key_there_is_no_role_that_somebody_could_bind(world: World) -> None:
    """Whoever may create RoleBindings may bind a Role without rules: the rules of later would be theirs."""
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")
    world.api.delete("apikeys", "laptop")
    eventually(lambda: of_own_keys(world) == [], within=20, describe="Role and RoleBinding are gone")
    world.create(api_key("laptop", "alice"))
    world.issue("laptop", within=20)
    wait_reads(world, "alice", "laptop")


def test_a_membership_of_the_same_name_for_somebody_else_opens_nothing_to_the_former_person(
    world: World, operator: OperatorProcess, control_plane: ControlPlane, audit: Audit
) -> None:
    if isinstance(control_plane, RunningCluster):
        pytest.skip("this cluster's garbage collector can't be stopped")
    world.create(organization(), member("alice"), api_key("deploy", "alice"))
    world.issue("deploy", within=20)
    wait_reads(world, "alice", "deploy")
    operator.stop()
    control_plane.stop_controller_manager()
    try:
        world.api.delete("apikeys", "deploy")
        world.api.delete("secrets", "deploy")
        world.api.delete("memberships", "alice")
        successor = member("alice")
        successor["spec"]["subject"] = member("bob")["spec"]["subject"]
        world.create(successor, api_key("deploy", "alice"))
        assert reads(world, "alice", "deploy") == [True]  # The grant outlived her while nobody took care.
        audit.reset()
        operator.start()
        wait_reads(world, "bob", "deploy")
        assert reads(world, "alice", "deploy") == [False]
    finally:
        control_plane.start_controller_manager()
    assert writes_of(audit, world, "tenure-keys-alice", "deploy") == [
        ("delete", "rolebindings"),
        ("delete", "roles"),
        ("create", "secrets"),
        ("create", "roles"),
        ("create", "rolebindings"),
    ]


def writes_of(audit: Audit, world: World, *names: str) -> list[tuple[str, str]]:
    """The operator's writes of Roles, RoleBindings and Secrets of these names in the test's namespace, in order."""
    return [
        (entry.verb, entry.resource)
        for entry in audit.writes(user=CONTROLLER)
        if entry.namespace == world.api.namespace
        and entry.resource in ("roles", "rolebindings", "secrets")
        and entry.name in names
        and entry.code < 300
    ]


def test_a_role_that_lost_its_owner_while_nobody_looked_holds_the_next_holders_key_up(
    world: World, operator: OperatorProcess
) -> None:
    leave_a_grant(world, operator)
    world.api.delete("memberships", "alice", propagationPolicy="Orphan")
    world.wait_gone("memberships", "alice")
    world.wait_gone("secrets", "deploy", within=30)
    world.create(api_key("deploy", "bob"), api_key("bobs", "bob"))
    operator.start()
    said = world.wait_reason("deploy", "SecretExposed", within=20)
    assert "Role " + f"{world.api.namespace}/tenure-keys-alice" in str(said["status"]["conditions"])
    world.issue("bobs", within=20)
    assert world.api.get("secrets", "deploy") is None
    for plural in ("rolebindings", "roles"):
        world.api.delete(plural, "tenure-keys-alice")
    world.issue("deploy", within=60)
    assert reads(world, "alice", "deploy") == [False]


def test_a_write_under_way_when_a_name_changes_hands_is_waited_for(
    world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """It was decided while the name was Alice's, and lands when it is Bob's."""
    held, released = threading.Event(), threading.Event()

    async def hold(request: Request) -> Answer:
        if request.method == "POST" and request.resource == "roles" and not held.is_set():
            held.set()
            await asyncio.to_thread(released.wait, 20.0)
        return None

    with Proxy(control_plane) as proxy:
        options = (f"--namespace={world.api.namespace}", *giving("RolesAndKeys"))
        with OperatorProcess(proxy.kubeconfig(tmp_path / "proxy"), tmp_path / "operator.log", *options):
            proxy.on_request = hold
            world.create(organization(), member("alice"), member("bob"), api_key("deploy", "alice"))
            world.issue("deploy", within=20)
            eventually(held.is_set, within=20, describe="the write of Alice's Role is under way")
            world.api.delete("apikeys", "deploy")
            world.wait_gone("secrets", "deploy", within=20)
            proxy.exchanges.clear()
            world.create(api_key("deploy", "bob"), api_key("bobs", "bob"))
            world.issue("bobs", within=20)
            assert world.api.get("secrets", "deploy") is None
            released.set()
            world.issue("deploy", within=20)
            wait_reads(world, "bob", "deploy")
            assert reads(world, "alice", "deploy") == [False]
            done = [written(one.request) for one in proxy.writes() if one.status in (200, 201)]
            assert done.index(("DELETE", "roles", "tenure-keys-alice")) < done.index(("POST", "secrets", "deploy"))


def written(request: Request) -> tuple[str, str, str]:
    return request.method, request.resource, request.name or request.json["metadata"]["name"]
