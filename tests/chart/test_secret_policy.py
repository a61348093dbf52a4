"""Only Tenure and the cluster's own clean-up delete a key's Secret, on the real API server."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import yaml

from support.api.api import Api, ApiRefusedError
from support.cluster.identity import CONTROLLER, WEBHOOK, install_identities
from support.cluster.world import World, fresh_world
from support.objects import manifests
from support.run.eventually import eventually
from tenure.domain.secret import TYPE
from tenure.kube.names import AUTHORITIES_SECRET
from tenure_dev.chart import CHART, NAMESPACE, render
from tenure_dev.controlplane import ControlPlane

NAME = "tenure-secrets"
TEMPLATE = "--show-only=templates/secretpolicy.yaml"
HOLDS = "holds the token of ApiKey laptop"
REFUSED = "so only Tenure deletes it"


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a control plane on which the policy is in force, and take it away afterwards."""
    install_identities(own_plane)
    with fresh_world(own_plane) as world:
        deliver(world, "probe")

        def refuses() -> bool:
            return REFUSED in delete(own_plane, world.api.namespace, "probe", "--dry-run=server")

        own_plane.kubectl("apply", "--filename=-", input=render(TEMPLATE))
        eventually(refuses, within=30, describe="the policy is in force")
        yield own_plane
        own_plane.kubectl("delete", "--filename=-", input=render(TEMPLATE))
        eventually(lambda: not refuses(), within=30, describe="the policy is gone")


@pytest.fixture
def world(plane: ControlPlane) -> Iterator[World]:
    """Give a namespace with the Secret of the key `laptop`."""
    with fresh_world(plane) as world:
        deliver(world, "laptop")
        yield world


def deliver(world: World, name: str) -> None:
    """Make a key and its Secret, as the controller does."""
    (key,) = world.create(manifests.api_key(name, "alice"))
    owner = {"apiVersion": key["apiVersion"], "kind": "ApiKey", "name": name, "uid": key["metadata"]["uid"]}
    world.create({**manifests.secret(name, ownerReferences=[{**owner, "controller": True}]), "type": TYPE})


def delete(plane: ControlPlane, namespace: str, name: str, *args: str) -> str:
    """Delete a Secret as an administrator, who has every right, and return the words of a refusal."""
    result = plane.kubectl("delete", "secret", name, f"--namespace={namespace}", *args, check=False)
    return result.stderr if result.returncode else ""


def wait_gone(world: World, name: str) -> None:
    eventually(lambda: world.api.get("secrets", name) is None, within=60, describe=f"Secret {name} is gone")


def patch_owner(owner: dict[str, Any] | None) -> Callable[[Api], object]:
    """Return the removal of a Secret's owner, or a change of it."""

    def change(api: Api) -> object:
        body = api.get("secrets", "laptop")
        assert body is not None
        (present,) = body["metadata"]["ownerReferences"]
        owners = [] if owner is None else [{**present, **owner}]
        return api.patch("secrets", "laptop", {"metadata": {"ownerReferences": owners}})

    return change


WAYS = {
    "delete it": lambda api: api.delete("secrets", "laptop"),
    "take it from its key": patch_owner(None),
    "give it to another key": patch_owner({"uid": "00000000-0000-0000-0000-000000000000"}),
    "let it belong to another kind": patch_owner({"apiVersion": "v1", "kind": "ConfigMap"}),
    "name another key": patch_owner({"name": "phone"}),
    "no longer control it": patch_owner({"controller": False}),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_administrator_is_refused_and_the_controller_is_not(
    plane: ControlPlane, world: World, way: Callable[[Api], object]
) -> None:
    with closing(Api(plane, world.api.namespace)) as api:
        with pytest.raises(ApiRefusedError, match=REFUSED) as refused:
            way(api)
        assert refused.value.code == 403
        assert api.get("secrets", "laptop") is not None
    if way is WAYS["delete it"]:
        with closing(Api(plane, world.api.namespace, user=CONTROLLER)) as api:
            way(api)


def test_the_advice_of_the_refusal_works(plane: ControlPlane, world: World) -> None:
    namespace = world.api.namespace
    words = delete(plane, namespace, "laptop").strip()
    assert words.endswith(f"raise spec.revision: kubectl edit apikey laptop -n {namespace}")
    world.change_key("laptop", revision=2)
    (command,) = re.findall(r"run: kubectl (.*?)\. To", words)
    plane.kubectl(*command.split())
    wait_gone(world, "laptop")


def test_all_secrets_at_once_spare_those_of_keys(plane: ControlPlane, world: World) -> None:
    world.create(manifests.secret("other"), {**manifests.secret("unowned"), "type": TYPE})
    assert REFUSED in delete(plane, world.api.namespace, "--all")
    assert [body["metadata"]["name"] for body in world.api.list("secrets")] == ["laptop"]


def test_the_webhook_replaces_a_key_that_has_the_name_of_its_authority(plane: ControlPlane) -> None:
    with closing(Api(plane, NAMESPACE)) as api, closing(Api(plane, NAMESPACE, user=WEBHOOK)) as webhook:
        deliver(World(api), AUTHORITIES_SECRET)
        webhook.delete("secrets", AUTHORITIES_SECRET)
        api.delete("apikeys", AUTHORITIES_SECRET)


def test_the_deletion_of_a_collection_is_refused_in_the_same_words(plane: ControlPlane, world: World) -> None:
    path = f"/api/v1/namespaces/{world.api.namespace}/secrets"
    assert f"Secret laptop {HOLDS}" in plane.kubectl("delete", f"--raw={path}", check=False).stderr


def test_a_secret_is_changed_as_before(world: World) -> None:
    world.api.patch("secrets", "laptop", {"metadata": {"labels": {"team": "platform"}}})


def test_what_is_left_of_an_orphan_is_deleted_by_anybody(plane: ControlPlane, world: World) -> None:
    plane.kubectl("delete", "apikey", "laptop", "--cascade=orphan", f"--namespace={world.api.namespace}")
    assert delete(plane, world.api.namespace, "laptop") == ""


def test_a_namespace_takes_its_secrets_along(plane: ControlPlane, world: World) -> None:
    plane.kubectl("delete", "namespace", world.api.namespace, "--timeout=120s")
    assert plane.kubectl("get", "namespace", world.api.namespace, "--ignore-not-found").stdout == ""


def test_nobody_is_refused_in_a_namespace_that_is_being_deleted(plane: ControlPlane, world: World) -> None:
    namespace = world.api.namespace
    world.api.patch("secrets", "laptop", {"metadata": {"finalizers": ["example.com/held"]}})
    assert REFUSED in delete(plane, namespace, "laptop", "--dry-run=server")
    plane.kubectl("delete", "namespace", namespace, "--wait=false")
    eventually(
        lambda: delete(plane, namespace, "laptop", "--dry-run=server") == "",
        within=30,
        describe="anybody may delete the Secret",
    )
    world.api.patch("secrets", "laptop", {"metadata": {"finalizers": None}})


def test_the_api_server_finds_no_fault_with_the_expressions(plane: ControlPlane) -> None:
    def checked() -> object:
        body = json.loads(plane.kubectl("get", "validatingadmissionpolicy", NAME, "--output=json").stdout)
        assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
        return body["status"]["typeChecking"]

    assert eventually(lambda: [checked()], within=30, describe="the expressions are checked") == [{}]


def test_the_webhooks_and_the_policy_let_the_same_clean_up_pass() -> None:
    webhooks = yaml.safe_load((CHART / "files" / "webhooks.yaml").read_text())["webhooks"]
    (condition,) = {
        one["expression"] for each in webhooks for one in each["matchConditions"] if "clean-up" in one["name"]
    }
    users = set(re.findall(r"'(system:[^']*)'", condition))
    assert set(re.findall(r"'(system:[^']*)'", render(TEMPLATE))) == users | {CONTROLLER, WEBHOOK}


@pytest.mark.parametrize("template", ["secretpolicy", "statuspolicy"])
def test_only_the_namespaces_that_are_served_are_protected(template: str) -> None:
    policy, _ = yaml.safe_load_all(render(f"--show-only=templates/{template}.yaml", "--set=namespaces={a,b}"))
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"]}
    assert policy["spec"]["matchConstraints"]["namespaceSelector"] == {"matchExpressions": [expression]}


def test_the_policy_can_be_left_out() -> None:
    assert NAME not in render("--set=secretPolicy.enabled=false")
