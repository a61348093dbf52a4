"""The stamp: what no event tells, (uid, generation) of the Membership still does; and nothing else moves it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.api.api import Api
from support.api.audit import Audit
from support.api.kubectl import NamespacedKubectl
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import Body, World
from support.objects.manifests import api_key, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.sweeps import lists_in, wait_sweeps
from tenure.domain.tokens import Token
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

KINDS = ("organizations", "memberships", "apikeys")
PEOPLE_AND_KEYS = (
    organization(),
    member("alice"),
    service_account("ci"),
    api_key("laptop", "alice"),
    api_key("approved", "alice", forRole="Member"),
    api_key("deploy", "ci"),
)
KEYS = ("laptop", "approved", "deploy")

downtimes = pytest.mark.parametrize("stopped", [pytest.param(False, id="running"), pytest.param(True, id="stopped")])


@downtimes
def test_a_change_there_and_back_ends_the_keys(world: World, operator: OperatorProcess, *, stopped: bool) -> None:
    world.create(organization(), member("alice"), member("bob"))
    world.create(api_key("laptop", "alice"), api_key("server", "bob"))
    tokens = world.issue("laptop", "server")

    if stopped:
        operator.stop()
    for role in ("Viewer", "Member"):
        world.change_role("alice", role)
    assert world.verdict(tokens["laptop"]) in ({"RoleChanged"} if stopped else {"RoleChanged", "NotFound"})
    if stopped:
        assert world.token("laptop") == tokens["laptop"], "the Secret stands, and its token is dead all the same"
        operator.start()

    record = world.wait_role_change("alice", 3)
    world.wait_gone("apikeys", "laptop")
    world.wait_gone("secrets", "laptop")
    world.wait_valid_keys(1)
    assert world.verdict(tokens["laptop"]) == "NotFound"
    assert world.verdict(tokens["server"]) == "Valid"
    if stopped:
        assert (record["from"], record["to"], record["keyCount"]) == ("Member", "Member", 1)
        assert all("changed and changed back to Member" in event["note"] for event in world.events("RoleChanged"))


@downtimes
@pytest.mark.parametrize(
    ("plural", "name", "reason"),
    [("memberships", "alice", "MembershipGone"), ("organizations", "acme", "OrganizationGone")],
)
def test_deleted_and_created_again_is_another_tenure(
    world: World, operator: OperatorProcess, plural: str, name: str, reason: str, *, stopped: bool
) -> None:
    manifests = {"acme": organization(), "alice": member("alice")}
    (before, *_) = world.create(manifests[name], *(body for key, body in manifests.items() if key != name))
    world.create(api_key("laptop", "alice"))
    old = world.issue("laptop")["laptop"]

    if stopped:
        operator.stop()
    world.api.delete(plural, name)
    (after,) = world.create(manifests[name])
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert world.verdict(old) == reason
    if stopped:
        operator.start()

    eventually(
        lambda: (
            "was deleted and created again" in world.wait_reason("laptop", reason)["status"]["conditions"][0]["message"]
        ),
        describe="the message says what happened",
    )
    world.wait_gone("secrets", "laptop")

    world.change_key("laptop", revision=2)
    assert world.verdict(world.issue("laptop")["laptop"]) == "Valid"
    assert world.verdict(old) == "NotFound"


@pytest.fixture
def second_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with ControlPlane.start(find_or_build(), tmp_path / "plane", audit=True, crds=CRDS) as plane:
        yield plane


def objects(world: World) -> dict[tuple[str, str], Body]:
    """Return all objects of the three kinds by kind and name."""
    return {(plural, body["metadata"]["name"]): body for plural in KINDS for body in world.api.list(plural)}


def assert_nothing_ended(world: World, before: dict[tuple[str, str], Body], tokens: dict[str, Token]) -> None:
    """Check that every object has the uid, generation and stamp that it had, and every key its token."""
    after = objects(world)
    assert set(after) == set(before)
    for address, body in after.items():
        assert body["metadata"]["uid"] == before[address]["metadata"]["uid"]
        assert body["metadata"]["generation"] == before[address]["metadata"]["generation"]
        assert body["status"].get("issued") == before[address]["status"].get("issued")
    assert world.issue(*tokens) == tokens
    assert {world.verdict(token) for token in tokens.values()} == {"Valid"}
    assert world.events("RoleChanged") == []


def test_writes_that_change_no_role_move_no_generation(
    world: World, operator: OperatorProcess, kubectl: NamespacedKubectl
) -> None:
    world.create(*PEOPLE_AND_KEYS)
    tokens = world.issue(*KEYS)
    world.wait_valid_keys(len(KEYS))
    before = objects(world)

    for plural, name in before:
        world.api.patch(plural, name, {"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}})
    world.change_role("alice", "Member")
    world.api.patch("memberships", "alice", {"spec": {"nickname": "no such field"}})
    kubectl.apply(*PEOPLE_AND_KEYS)
    for manifest in PEOPLE_AND_KEYS:
        kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=json.dumps(manifest))
    world.api.patch("memberships", "alice", {"status": {"keyCount": 7}}, subresource="status")

    world.create(api_key("sentinel", "alice"))
    world.issue("sentinel")
    world.wait_valid_keys(len(KEYS) + 1)
    operator.stop()
    world.api.delete("apikeys", "sentinel")
    assert_nothing_ended(world, before, tokens)


def test_an_upgrade_of_the_schema_that_rewrites_every_object_ends_no_key(
    second_plane: ControlPlane, tmp_path: Path
) -> None:
    second_plane.kubectl("create", "namespace", "acme")
    world, audit = World(Api(second_plane, "acme")), Audit(second_plane.folder / "audit.log")
    with OperatorProcess(config_of(second_plane, CONTROLLER), tmp_path / "operator.log", "--resync", "1") as operator:
        world.create(*PEOPLE_AND_KEYS)
        tokens = world.issue(*KEYS)
        world.wait_valid_keys(len(KEYS))
        before = objects(world)

        second_plane.apply_crds(upgraded_crds(tmp_path))
        upgraded = eventually(lambda: upgraded_objects(world), within=30, describe="the new schema is served")
        for (plural, _), body in upgraded.items():
            stored = put(second_plane, plural, body)
            assert stored["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"], "it was rewritten"

        wait_sweeps(lists_in(audit, ""))
        assert_nothing_ended(world, before, tokens)
        operator.stop()
        operator.start()
        wait_sweeps(lists_in(audit, ""))
        assert_nothing_ended(world, before, tokens)
    world.api.close()


def upgraded_crds(folder: Path) -> Path:
    """Write the CRDs with one more field, whose default makes each object differ from what is stored."""
    definitions = [yaml.safe_load(path.read_text()) for path in CRDS.glob("*.yaml")]
    for definition in definitions:
        (version,) = definition["spec"]["versions"]
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
        status["properties"]["added"] = {"type": "string", "default": "by the upgrade"}
    path = folder / "upgraded.yaml"
    path.write_text(yaml.safe_dump_all(definitions))
    return path


def upgraded_objects(world: World) -> dict[tuple[str, str], Body]:
    """Return all objects once they are served with the new field."""
    found = objects(world)
    return found if all("added" in body["status"] for body in found.values()) else {}


def put(plane: ControlPlane, plural: str, body: Body) -> Body:
    """Store an object again as it was read."""
    path = f"/apis/tenure.dev/v1alpha1/namespaces/acme/{plural}/{body['metadata']['name']}"
    stored: Body = json.loads(plane.kubectl("replace", "--raw", path, "--filename=-", input=json.dumps(body)).stdout)
    return stored
