"""A role change ends all keys of that person and no other, and says by name which."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api.kubectl import NamespacedKubectl
from support.cluster.identity import CONTROLLER
from support.cluster.world import Body, World
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, marked, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

ALICES = ("laptop", "pipeline", "robot")
OTHERS = ("bobs", "deployers")

PLAIN = api_key("plain", "alice")
BY_ARGO_CD = marked(api_key("argo-cd", "alice"), annotations={"argocd.argoproj.io/tracking-id": "acme:tenure.dev/x"})
BY_KUSTOMIZE = marked(api_key("kustomize", "alice"), labels={"kustomize.toolkit.fluxcd.io/name": "acme"})
BY_HELM = marked(api_key("helm", "alice"), labels={"helm.toolkit.fluxcd.io/name": "acme"})
FOR_THE_OLD_ROLE = api_key("for-member", "alice", forRole="Member")
FOR_THE_NEW_ROLE = api_key("for-viewer", "alice", forRole="Viewer")

ALL_KEPT = dict.fromkeys(("plain", "argo-cd", "kustomize", "helm", "for-member"), "Revoked")
ALL_DELETED = {**dict.fromkeys(("plain", "argo-cd", "kustomize", "helm"), "Deleted"), "for-member": "Revoked"}
MARKED_KEPT = {**ALL_KEPT, "plain": "Deleted"}


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        yield proxy


@pytest.fixture
def proxied_operator(proxy: Proxy, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    config = proxy.kubeconfig(tmp_path / "proxy.kubeconfig")
    with OperatorProcess(config, tmp_path / "operator.log", "--namespace", namespace) as operator:
        yield operator


def populate(world: World) -> None:
    world.create(organization(), member("alice"), member("bob"), service_account("deployer"))
    world.create(*(api_key(name, "alice") for name in ALICES))
    world.create(api_key("bobs", "bob"), api_key("deployers", "deployer"))


@pytest.mark.usefixtures("operator")
def test_all_keys_of_that_person_end_and_no_other(world: World) -> None:
    populate(world)
    tokens = world.issue(*ALICES, *OTHERS)

    world.change_role("alice", "Viewer")
    assert {world.verdict(tokens[name]) for name in ALICES} <= {"RoleChanged", "NotFound"}

    for name in ALICES:
        world.wait_gone("secrets", name)
        world.wait_gone("apikeys", name)
    world.wait_valid_keys(len(OTHERS))
    assert {world.verdict(tokens[name]) for name in ALICES} == {"NotFound"}
    assert {world.verdict(tokens[name]) for name in OTHERS} == {"Valid"}
    assert all(world.token(name) == tokens[name] for name in OTHERS)


@pytest.mark.usefixtures("proxied_operator")
def test_the_secret_goes_first_then_the_key_each_guarded_by_its_uid(world: World, proxy: Proxy) -> None:
    populate(world)
    world.issue(*ALICES, *OTHERS)
    world.wait_valid_keys(len(ALICES) + len(OTHERS))
    uids = {
        (plural, item["metadata"]["name"]): item["metadata"]["uid"]
        for plural in ("secrets", "apikeys")
        for item in world.api.list(plural)
    }
    proxy.reset()

    world.change_role("alice", "Viewer")
    world.wait_valid_keys(len(OTHERS))
    for name in ALICES:
        world.wait_gone("apikeys", name)

    deletions = [write for write in proxy.writes() if write.request.method == "DELETE"]
    for request in (write.request for write in deletions):
        assert request.json["preconditions"]["uid"] == uids[request.resource, request.name]
    deleted = [(write.request.resource, write.request.name) for write in deletions if write.status == 200]
    assert sorted(deleted) == sorted((plural, name) for plural in ("secrets", "apikeys") for name in ALICES)
    for name in ALICES:
        assert deleted.index(("secrets", name)) < deleted.index(("apikeys", name))


@pytest.mark.parametrize(
    ("policy", "fates"),
    [
        pytest.param("Auto", MARKED_KEPT, id="Auto"),
        pytest.param("Delete", ALL_DELETED, id="Delete"),
        pytest.param("Revoke", ALL_KEPT, id="Revoke"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_what_becomes_of_the_keys_is_the_organizations_policy(world: World, policy: str, fates: dict[str, str]) -> None:
    world.create(organization(keys={"onRoleChange": policy}), member("alice"))
    world.create(PLAIN, BY_ARGO_CD, BY_KUSTOMIZE, BY_HELM, FOR_THE_OLD_ROLE)
    tokens = world.issue(*fates)

    world.change_role("alice", "Viewer")

    record = world.wait_role_change("alice", 2)
    assert {key["name"]: key["fate"] for key in record["keys"]} == fates
    for name, fate in fates.items():
        world.wait_gone("secrets", name)
        if fate == "Deleted":
            world.wait_gone("apikeys", name)
        else:
            reason = "RoleMismatch" if name == "for-member" else "RoleChanged"
            assert_tombstone(world.wait_reason(name, reason), tokens[name].key_id)
    assert "Valid" not in {world.verdict(token) for token in tokens.values()}


def assert_tombstone(key: Body, key_id: str) -> None:
    """Check that a key that stays says which token it was, and leads to no Secret."""
    status = key["status"]
    conditions = {condition["type"]: condition for condition in status["conditions"]}
    assert set(conditions) == {"Ready", "Stalled"}
    assert conditions["Ready"]["status"] == "False"
    assert conditions["Stalled"]["reason"] == conditions["Ready"]["reason"]
    assert status["keyId"] == key_id
    assert not {"secretName", "secretUID"} & set(status)


def test_the_change_is_recorded_with_its_author_and_announced_once(
    world: World, operator: OperatorProcess, kubectl: NamespacedKubectl
) -> None:
    world.create(organization(), member("alice"), PLAIN, BY_ARGO_CD, FOR_THE_NEW_ROLE)
    tokens = world.issue("plain", "argo-cd")
    world.wait_reason("for-viewer", "RoleMismatch")

    patch = '{"spec": {"role": "Viewer"}}'
    kubectl("patch", "membership", "alice", "--type=merge", f"--patch={patch}", "--field-manager=argocd-controller")

    record = world.wait_role_change("alice", 2)
    assert record["keys"] == [
        {"name": "argo-cd", "keyId": tokens["argo-cd"].key_id, "fate": "Revoked"},
        {"name": "plain", "keyId": tokens["plain"].key_id, "fate": "Deleted"},
    ]
    assert {name: record[name] for name in ("from", "to", "generation", "fieldManager", "keyCount")} == {
        "from": "Member",
        "to": "Viewer",
        "generation": 2,
        "fieldManager": "argocd-controller",
        "keyCount": 2,
    }
    notes = announcements(world)
    assert notes == dict.fromkeys(
        ("Membership", "Organization"),
        "The role of alice was changed from Member to Viewer by argocd-controller. This revoked 2 keys: argo-cd, plain",
    )
    world.issue("for-viewer")

    operator.stop()
    operator.start()
    world.create(member("bob"))
    world.wait_reason("bob", "Active", plural="memberships")
    operator.stop()
    assert announcements(world) == notes
    assert world.wait_role_change("alice", 2) == record


def announcements(world: World) -> dict[str, str]:
    """Return the note of the one Event on each object that was told of a role change."""
    events = eventually(lambda: world.events("RoleChanged"), describe="an Event")
    notes = {event["regarding"]["kind"]: event["note"] for event in events}
    assert len(notes) == len(events)
    uids = {item["metadata"]["uid"] for plural in ("organizations", "memberships") for item in world.api.list(plural)}
    assert {event["regarding"]["uid"] for event in events} <= uids
    return notes


@pytest.mark.usefixtures("operator")
def test_a_change_without_keys_and_each_further_change_are_announced_too(world: World) -> None:
    world.create(organization(), member("alice"))
    world.wait_reason("alice", "Active", plural="memberships")

    for generation, role in ((2, "Viewer"), (3, "Owner")):
        world.change_role("alice", role)
        assert world.wait_role_change("alice", generation)["keyCount"] == 0

    events = world.events("RoleChanged")
    assert len(events) == 4
    assert {event["type"] for event in events} == {"Normal"}
    assert all(event["note"].endswith("This revoked no keys") for event in events)


@pytest.mark.usefixtures("operator")
def test_thirty_keys_end_and_all_are_named(world: World) -> None:
    names = [f"key-{number:02}" for number in range(30)]
    world.create(organization(), member("alice"), *(api_key(name, "alice") for name in names))
    tokens = world.issue(*names)

    world.change_role("alice", "Viewer")

    record = world.wait_role_change("alice", 2)
    assert {key["name"]: key["keyId"] for key in record["keys"]} == {name: tokens[name].key_id for name in names}
    assert record["keyCount"] == 30
    eventually(lambda: not world.api.list("secrets") and not world.api.list("apikeys"), describe="all are gone")
    assert all(
        "This revoked 30 keys: key-00, key-01" in note and "22 more" in note for note in announcements(world).values()
    )


@pytest.mark.parametrize("downtime", [pytest.param(False, id="running"), pytest.param(True, id="stopped")])
def test_a_key_created_after_the_change_gets_the_new_role_and_lives(
    world: World, operator: OperatorProcess, *, downtime: bool
) -> None:
    world.create(organization(), member("alice"), api_key("before", "alice"))
    world.issue("before")

    if downtime:
        operator.stop()
    world.change_role("alice", "Viewer")
    (after,) = world.create(api_key("after", "alice"))
    if downtime:
        operator.start()

    token = world.issue("after")["after"]
    world.wait_gone("apikeys", "before")
    world.wait_valid_keys(1)
    key = world.key("after")
    assert key["metadata"]["uid"] == after["metadata"]["uid"]
    assert (key["status"]["issued"]["role"], key["status"]["issued"]["membershipGeneration"]) == ("Viewer", 2)
    assert world.verdict(token) == "Valid"
    assert [ended["name"] for ended in world.wait_role_change("alice", 2)["keys"]] == ["before"]
