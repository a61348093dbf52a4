"""An organization keeps its last Owner, whichever way it would lose it, and nothing else is held up by that."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests

from support.api.api import Api, ApiRefusedError
from support.api.client import DRY_RUN, Client, denial, fresh_namespace, refusal
from support.api.door import rows
from support.api.kubectl import NamespacedKubectl
from support.cluster import people
from support.cluster.leases import hold_lease, stored_lease
from support.objects import manifests
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

if TYPE_CHECKING:
    from admission.conftest import Judged

Way = Callable[[Client, dict[str, str]], object]
"""A way to take the Owner olga away, with query parameters such as `dryRun`."""

GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": str(uuid4())}
ONLY_OWNER = "spec.role: olga is the only Owner of Organization acme"
BUSY = "Another Owner of Organization acme is being changed at this moment. Try again in a second."


def stored(client: Api, name: str) -> dict[str, Any]:
    found = client.get("memberships", name)
    assert found is not None, f"{name} is gone"
    return found


def essence(body: dict[str, Any]) -> dict[str, Any]:
    """What of an object the operator never changes."""
    changing = ("resourceVersion", "managedFields")
    metadata = {key: value for key, value in body["metadata"].items() if key not in changing}
    return {"metadata": metadata, "spec": body["spec"]}


def replace(client: Client, params: dict[str, str]) -> object:
    """Replace olga by a Viewer, as she is now: the operator may write her status meanwhile."""
    while True:
        try:
            return client.replace("memberships", with_role(stored(client, "olga"), "Viewer"), **params)
        except ApiRefusedError as error:
            if error.code != requests.codes.conflict:
                raise


def delete(client: Client, params: dict[str, str], **options: Any) -> object:
    if params:
        # With a body, the API server doesn't look at the query.
        options["dryRun"] = [params["dryRun"]]
    return client.delete("memberships", "olga", **options)


def with_role(body: dict[str, Any], role: str) -> dict[str, Any]:
    return {**body, "spec": {**body["spec"], "role": role}}


def with_owner(body: dict[str, Any], owner: Mapping[str, str] = GONE) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [owner]}}


def config_map(client: Client) -> dict[str, Any]:
    """Create an object that can own others, and return a reference to it."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"owner-{uuid4().hex[:6]}"}}
    made = client.post(f"/api/v1/namespaces/{client.namespace}/configmaps", body)["metadata"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": made["name"], "uid": made["uid"]}


DEMOTIONS: Mapping[str, Way] = {
    "merge patch": lambda client, params: client.patch("memberships", "olga", {"spec": {"role": "Viewer"}}, **params),
    "JSON patch": lambda client, params: client.json_patch(
        "memberships", "olga", [{"op": "replace", "path": "/spec/role", "value": "Viewer"}], **params
    ),
    "server-side apply": lambda client, params: client.apply(
        "memberships", manifests.member("olga", "Viewer"), **params
    ),
    "replacement": replace,
}
REMOVALS: Mapping[str, Way] = {
    "deletion": lambda client, params: delete(client, params, propagationPolicy="Background"),
    "deletion in the foreground": lambda client, params: delete(client, params, propagationPolicy="Foreground"),
    "deletion that leaves orphans": lambda client, params: delete(client, params, propagationPolicy="Orphan"),
    "deletion of all": lambda client, params: client.delete_all("memberships", **params),
    "ownerReference": lambda client, params: client.patch(
        "memberships", "olga", {"metadata": {"ownerReferences": [GONE]}}, **params
    ),
    "ownerReference by server-side apply": lambda client, params: client.apply(
        "memberships", with_owner(manifests.member("olga", "Owner")), **params
    ),
}
WAYS = {**DEMOTIONS, **REMOVALS}


def some(*names: str) -> list[pytest.ParameterSet]:
    """Some of the ways; all of them meet the same rule, in tests/unit/domain/admission/test_decide_last_owner.py."""
    return rows({name: WAYS[name] for name in names})


LEAVES: Mapping[str, Callable[[Client], object]] = {
    "held while it is deleted": lambda client: [
        client.create("memberships", manifests.held(manifests.member("omar", "Owner"))),
        client.delete("memberships", "omar"),
    ],
    "suspended": lambda client: [
        client.create("memberships", manifests.member("omar", "Owner")),
        client.patch("organizations", "acme", {"spec": {"suspendedMembers": [{"name": "omar"}]}}),
    ],
    "left to the garbage collector": lambda client: client.create(
        "memberships", with_owner(manifests.member("omar", "Owner"), config_map(client))
    ),
    "of another organization": lambda client: client.create(
        "memberships", manifests.member("omar", "Owner", organization="other")
    ),
}
"""How there is another Owner, omar, who doesn't count."""


@pytest.fixture
def client(judged: "Judged") -> Iterator[Client]:
    with fresh_namespace(judged.plane) as client:
        client.create("organizations", manifests.organization())
        client.create("memberships", manifests.member("olga", "Owner"))
        yield client


@pytest.mark.parametrize("way", rows(WAYS))
def test_the_last_owner_stays(client: Client, judged: "Judged", way: Way) -> None:
    client.create("memberships", manifests.member("mia"))
    before = essence(stored(client, "olga"))

    tried = denial(lambda: way(client, dict(DRY_RUN)))
    refused = denial(lambda: way(client, {}))

    assert ONLY_OWNER in refused
    assert tried == refused
    assert essence(stored(client, "olga")) == before
    assert stored_lease(judged.plane, client.namespace) is None


@pytest.mark.parametrize("leave", rows(LEAVES))
def test_an_owner_who_may_be_gone_does_not_count(client: Client, leave: Callable[[Client], object]) -> None:
    leave(client)
    assert ONLY_OWNER in denial(lambda: WAYS["merge patch"](client, {}))
    client.patch("memberships", "omar", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("way", some("merge patch", "replacement", "deletion in the foreground", "ownerReference"))
def test_one_of_two_owners_may_go_and_only_the_change_itself_takes_the_lease(
    client: Client, judged: "Judged", way: Way
) -> None:
    client.create("memberships", manifests.member("omar", "Owner"))
    olga = stored(client, "olga")

    way(client, dict(DRY_RUN))
    assert essence(stored(client, "olga")) == essence(olga)
    assert stored_lease(judged.plane, client.namespace) is None

    way(client, {})
    lease = stored_lease(judged.plane, client.namespace)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == olga["metadata"]["uid"]
    left = client.get("memberships", "olga")
    assert left is None or essence(left) != essence(olga)


def test_of_all_members_deleted_at_once_one_owner_stays(client: Client) -> None:
    client.create("memberships", manifests.member("mia"))
    for name in ("omar", "oscar", "otto"):
        client.create("memberships", manifests.member(name, "Owner"))

    refused = denial(lambda: client.delete_all("memberships"))

    assert "is the only Owner of Organization acme" in refused
    assert len(owners(client)) == 1


def test_a_forced_replacement_leaves_the_last_owner_as_it_is(client: Client, judged: "Judged") -> None:
    kubectl = NamespacedKubectl(judged.plane.kubectl, client.namespace)
    uid = stored(client, "olga")["metadata"]["uid"]

    done = kubectl("replace", "--force", "--filename=-", input=json.dumps(manifests.member("olga")), check=False)

    assert done.returncode != 0
    assert ONLY_OWNER in done.stderr
    assert stored(client, "olga")["metadata"]["uid"] == uid


@pytest.mark.parametrize("way", some("server-side apply", "deletion of all"))
def test_without_an_organization_every_owner_may_go(client: Client, way: Way) -> None:
    client.delete("organizations", "acme")
    way(client, {})


@pytest.mark.parametrize("way", some("JSON patch", "deletion", "ownerReference by server-side apply"))
def test_while_the_organization_is_being_deleted_every_owner_may_go(client: Client, way: Way) -> None:
    client.patch("organizations", "acme", {"metadata": {"finalizers": ["example.com/held"]}})
    client.delete("organizations", "acme")
    way(client, {})
    client.json_patch("organizations", "acme", [{"op": "remove", "path": "/metadata/finalizers"}])


def test_suspending_the_last_owner_passes_with_a_warning(client: Client, judged: "Judged") -> None:
    patch = {"spec": {"suspendedMembers": [{"name": "olga", "reason": "INC-4711"}]}}
    kubectl = NamespacedKubectl(judged.plane.kubectl, client.namespace)

    done = kubectl("patch", "organization", "acme", "--type=merge", f"--patch={json.dumps(patch)}")

    assert "Warning: spec.suspendedMembers: every Owner of Organization acme is suspended now: olga" in done.stderr


def test_an_owner_who_is_left_to_the_garbage_collector_is_warned_about(client: Client, judged: "Judged") -> None:
    client.create("memberships", manifests.member("omar", "Owner"))
    patch = {"metadata": {"ownerReferences": [config_map(client)]}}
    kubectl = NamespacedKubectl(judged.plane.kubectl, client.namespace)

    done = kubectl("patch", "membership", "olga", "--type=merge", f"--patch={json.dumps(patch)}")

    assert "Warning: metadata.ownerReferences: the garbage collector deletes olga" in done.stderr


def test_an_owner_reference_that_names_another_object_than_before_is_a_removal_too(
    client: Client, judged: "Judged"
) -> None:
    owner = config_map(client)
    client.create("memberships", with_owner(manifests.member("mia"), owner))
    updates = people.rule(["memberships"], ["get", "patch"])
    people.bind(judged.plane, client.namespace, "updates", [people.subject(people.OUTSIDER.user)], updates)
    people.wait_permitted(client, people.OUTSIDER.user, "patch", "memberships")
    outsider = people.OUTSIDER.at(client)

    def rename() -> object:
        return outsider.patch("memberships", "mia", {"metadata": {"ownerReferences": [{**owner, "name": "gone"}]}})

    assert "lacks grant-member" in denial(rename)


@pytest.mark.parametrize("params", rows({"dry-run": dict(DRY_RUN), "real": {}}))
def test_while_another_owner_is_being_changed_a_client_is_told_to_try_again(
    client: Client, judged: "Judged", params: dict[str, str]
) -> None:
    client.create("memberships", manifests.member("omar", "Owner"))
    hold_lease(judged.plane, settled(client, "omar"), seconds=60)
    held = stored_lease(judged.plane, client.namespace)

    error = refusal(lambda: DEMOTIONS["merge patch"](client, params))

    assert error is not None
    assert (error.code, error.body["reason"]) == (429, "TooManyRequests")
    assert error.body["details"]["retryAfterSeconds"] == 1
    assert BUSY in error.body["message"]
    after = stored_lease(judged.plane, client.namespace)
    assert held is not None
    assert after is not None
    assert after["spec"] == held["spec"]
    assert "tenure.dev/waiting" not in after["metadata"]["annotations"] or not params, "a dry-run was stored"


@pytest.fixture
def standing_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """Give a control plane where whatever is being deleted stays as it is."""
    with ControlPlane.start(find_or_build(), tmp_path, crds=CRDS) as plane:
        port = webhooks.install(plane)
        with WebhookProcess(plane.kubeconfig, tmp_path / "webhook.log", port):
            yield plane


def test_while_the_namespace_is_being_deleted_every_owner_may_go(standing_plane: ControlPlane) -> None:
    with fresh_namespace(standing_plane) as client:
        client.create("organizations", manifests.organization())
        for name in ("olga", "omar"):
            client.create("memberships", manifests.member(name, "Owner"))
        standing_plane.stop_controller_manager()
        standing_plane.kubectl("delete", "namespace", client.namespace, "--wait=false")

        client.patch("memberships", "olga", {"spec": {"role": "Viewer"}})
        client.delete("memberships", "omar")

        assert owners(client) == []


def owners(client: Api) -> list[str]:
    return [body["metadata"]["name"] for body in client.list("memberships", fieldSelector="spec.role=Owner")]


def settled(client: Client, name: str) -> dict[str, Any]:
    """Return a Membership that the operator won't write to any more."""
    eventually(lambda: stored(client, name)["status"].get("observedGeneration") == 1, within=30, describe="it is seen")
    return stored(client, name)
