"""With nothing of Tenure running keys can be taken away, namespaces go, and whatever needs a judgement is refused."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from support.api.client import DRY_RUN, Client, refusal
from support.api.door import rows
from support.cluster import people
from support.cluster.world import World
from support.objects import manifests
from support.programs.operator_process import OperatorProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

UNANSWERED = 'failed calling webhook "{}.tenure.dev"'
KEYS = ("laptop", "ci", "spare")
PEOPLE = (people.OWNER, people.MEMBER)

Attempt = Callable[[Client, dict[str, str]], object]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane with two organizations whose keys are issued, and nobody who judges any more."""
    folder = tmp_path_factory.mktemp("outage")
    with ControlPlane.start(find_or_build(), folder, crds=CRDS) as plane:
        plane.kubectl("apply", "--server-side", "--filename", str(CHECKOUT / "manifests" / "roles.yaml"))
        port = webhooks.install(plane)
        with (
            WebhookProcess(plane.kubeconfig, folder / "webhook.log", port),
            OperatorProcess(plane.kubeconfig, folder / "operator.log", "--no-webhooks"),
        ):
            for name in ("acme", "leaving"):
                populate(plane, name)
        yield plane


def populate(plane: ControlPlane, name: str) -> None:
    plane.kubectl("create", "namespace", name)
    plane.kubectl("create", "configmap", "parent", f"--namespace={name}")
    people.bind_people(plane, name, PEOPLE)
    client = Client(plane, name)
    eventually(lambda: client.create("organizations", manifests.organization()), within=30)
    for body in people.memberships(PEOPLE):
        client.create("memberships", body)
    client.create("memberships", with_parent(client, manifests.member("child")))
    for key in KEYS:
        client.create("apikeys", manifests.api_key(key, "mia"))
    client.create("apikeys", with_parent(client, manifests.api_key("child", "mia")))
    World(client).issue(*KEYS, "child", within=60)
    client.close()


def with_parent(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    """The manifest, owned by the ConfigMap `parent`."""
    uid = client.read(f"/api/v1/namespaces/{client.namespace}/configmaps/parent")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": uid}
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [owner]}}


@pytest.fixture(scope="module")
def acme(plane: ControlPlane) -> Iterator[Client]:
    client = Client(plane, "acme")
    yield client
    client.close()


REFUSED: Mapping[str, tuple[str, Attempt]] = {
    "create a membership": (
        "memberships",
        lambda client, params: client.create("memberships", manifests.member("new"), **params),
    ),
    "change a role": (
        "memberships",
        lambda client, params: client.patch("memberships", "mia", {"spec": {"role": "Viewer"}}, **params),
    ),
    "label a membership": (
        "memberships",
        lambda client, params: client.patch("memberships", "mia", {"metadata": {"labels": {"a.io/b": "c"}}}, **params),
    ),
    "delete a membership": ("memberships", lambda client, params: delete(client, "memberships", "mia", params)),
    "delete all memberships": ("memberships", lambda client, params: client.delete_all("memberships", **params)),
    "create a key": (
        "apikeys",
        lambda client, params: client.create("apikeys", manifests.api_key("new", "mia"), **params),
    ),
    "change a key": (
        "apikeys",
        lambda client, params: client.patch("apikeys", "ci", {"spec": {"revision": 2}}, **params),
    ),
    "apply a key": (
        "apikeys",
        lambda client, params: client.apply("apikeys", manifests.api_key("ci", "mia", suspended=True), **params),
    ),
    "create an organization": (
        "organizations",
        lambda client, params: client.create("organizations", manifests.organization("other"), **params),
    ),
    "change an organization": (
        "organizations",
        lambda client, params: client.patch("organizations", "acme", {"spec": {"suspended": True}}, **params),
    ),
    "delete an organization": ("organizations", lambda client, params: delete(client, "organizations", "acme", params)),
}


def delete(client: Client, plural: str, name: str, params: dict[str, str]) -> object:
    options: dict[str, Any] = {"dryRun": ["All"]} if params else {}
    return client.delete(plural, name, **options)


@pytest.mark.parametrize("params", rows({"dry-run": dict(DRY_RUN), "real": {}}))
@pytest.mark.parametrize("user", rows({"administrator": people.ADMINISTRATOR, "Owner": people.OWNER}))
@pytest.mark.parametrize(("plural", "attempt"), [pytest.param(*row, id=name) for name, row in REFUSED.items()])
def test_what_can_not_be_judged_is_refused(
    acme: Client, plural: str, attempt: Attempt, user: people.Person, params: dict[str, str]
) -> None:
    before = specs(acme)
    error = refusal(lambda: attempt(user.at(acme), params))
    assert error is not None, "it passed"
    assert error.code == 500
    assert UNANSWERED.format(plural) in error.body["message"]
    assert specs(acme) == before


def specs(client: Client) -> dict[str, Any]:
    plurals = ("organizations", "memberships", "apikeys")
    return {body["metadata"]["uid"]: body["spec"] for plural in plurals for body in client.list(plural)}


def test_a_member_who_may_not_revoke_has_to_wait(acme: Client) -> None:
    error = refusal(lambda: people.MEMBER.at(acme).delete("apikeys", "spare"))
    assert error is not None, "it passed"
    assert UNANSWERED.format("apikeys") in error.body["message"]


def test_an_owner_deletes_a_key_and_its_secret_goes(acme: Client) -> None:
    assert acme.get("secrets", "laptop") is not None
    people.OWNER.at(acme).delete("apikeys", "laptop")
    assert acme.get("apikeys", "laptop") is None
    eventually(lambda: acme.get("secrets", "laptop") is None, within=30, describe="the Secret is gone")


def test_the_garbage_collector_removes_what_another_object_owns(acme: Client) -> None:
    for plural in ("memberships", "apikeys", "secrets"):
        assert acme.get(plural, "child") is not None
    acme.remove("/api/v1/namespaces/acme/configmaps/parent")
    World(acme).wait_gone("memberships", "child", within=30)
    World(acme).wait_gone("apikeys", "child", within=30)
    World(acme).wait_gone("secrets", "child", within=30)


def test_a_namespace_goes_with_all_that_is_in_it(plane: ControlPlane) -> None:
    plane.kubectl("delete", "namespace", "leaving", "--wait=false")
    eventually(
        lambda: plane.kubectl("get", "namespace", "leaving", "--ignore-not-found").stdout == "",
        within=60,
        describe="the namespace is gone",
    )
