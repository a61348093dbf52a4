"""The cluster's own clean-up passes, and nobody who only looks like it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from support.api.client import denial
from support.cluster.acme import Acme, attacked
from support.cluster.people import OWNER, bind, plain, subject, wait_permitted
from support.objects import manifests
from support.run.eventually import eventually

if TYPE_CHECKING:
    from admission.conftest import Judged

Body = dict[str, Any]

COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
CLEANERS = (COLLECTOR, "system:serviceaccount:kube-system:namespace-controller", "system:kube-controller-manager")
IMPOSTORS = (
    "generic-garbage-collector",
    "system:serviceaccount:default:generic-garbage-collector",
    "system:serviceaccount:kube-system:generic-garbage-collector2",
    "system:serviceaccount:kube-system:Generic-Garbage-Collector",
    "system:serviceaccount:kube-system:clusterrole-aggregation-controller",
)


@pytest.fixture
def acme(judged: "Judged") -> Iterator[Acme]:
    with attacked(judged.plane) as acme:
        acme.world.issue("laptop", within=30)
        yield acme


def config_map(acme: Acme, name: str, owner: Body | None = None) -> Body:
    """Create an object, and return a reference to it."""
    owners = [] if owner is None else [owner]
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": owners}}
    made = acme.client.post(f"/api/v1/namespaces/{acme.client.namespace}/configmaps", body)["metadata"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": made["uid"]}


def reference_to(acme: Acme, plural: str, name: str) -> Body:
    body = acme.client.get(plural, name)
    assert body is not None
    identity = {"apiVersion": body["apiVersion"], "kind": body["kind"], "name": name, "uid": body["metadata"]["uid"]}
    return {**identity, "blockOwnerDeletion": True}


def kubectl_get(acme: Acme, *what: str) -> str:
    scope = f"--namespace={acme.client.namespace}"
    return acme.plane.kubectl(scope, "get", *what, "--ignore-not-found", "--output=name").stdout.strip()


def test_a_namespace_goes_with_a_protected_organization_and_its_last_owner(acme: Acme) -> None:
    name = acme.client.namespace
    acme.plane.kubectl("delete", "namespace", name, "--wait=false")
    eventually(
        lambda: not acme.plane.kubectl("get", "namespace", name, "--ignore-not-found", "--output=name").stdout,
        within=60,
        every=0.3,
        describe="the namespace is gone",
    )


@pytest.mark.parametrize("role", ["Owner", "Member"])
def test_the_garbage_collector_removes_a_member_whose_owner_is_gone(acme: Acme, role: str) -> None:
    owner = config_map(acme, "owner")
    body = manifests.member("dana", role)
    acme.client.create("memberships", {**body, "metadata": {"name": "dana", "ownerReferences": [owner]}})
    acme.plane.kubectl(f"--namespace={acme.client.namespace}", "delete", "configmap", "owner")
    acme.world.wait_gone("memberships", "dana", within=60)


@pytest.mark.parametrize(
    ("plural", "name"), [("memberships", "alice"), ("apikeys", "laptop")], ids=["memberships", "apikeys"]
)
def test_a_deletion_in_the_foreground_ends(acme: Acme, plural: str, name: str) -> None:
    config_map(acme, "dependent", reference_to(acme, plural, name))
    acme.by(OWNER).delete(plural, name, propagationPolicy="Foreground")
    acme.world.wait_gone(plural, name, within=60)
    assert kubectl_get(acme, "configmap", "dependent") == ""


def test_a_deletion_that_leaves_orphans_ends_and_takes_the_secret_all_the_same(acme: Acme) -> None:
    config_map(acme, "dependent", reference_to(acme, "apikeys", "laptop"))
    acme.by(OWNER).delete("apikeys", "laptop", propagationPolicy="Orphan")
    acme.world.wait_gone("apikeys", "laptop", within=60)
    acme.world.wait_gone("secrets", "laptop", within=30)
    assert kubectl_get(acme, "configmap", "dependent") == "configmap/dependent"


@pytest.mark.parametrize("user", CLEANERS)
def test_a_cleaner_deletes_and_changes_what_it_must_and_creates_nothing(acme: Acme, user: str) -> None:
    bind(acme.plane, acme.client.namespace, "cleaner", [subject(user)], plain())
    wait_permitted(acme.client, user, "deletecollection", "apikeys")
    cleaner = acme.client.as_user(user)
    message = denial(lambda: cleaner.create("memberships", manifests.member("dana", "Owner")))
    assert f"{user} lacks grant-owner" in message
    cleaner.patch("memberships", "alice", {"metadata": {"finalizers": ["example.com/held"]}})
    cleaner.patch("memberships", "alice", {"metadata": {"finalizers": None}})
    cleaner.delete("memberships", "alice")
    assert acme.client.get("memberships", "alice") is None
    cleaner.close()


@pytest.mark.parametrize("user", IMPOSTORS)
def test_whoever_only_looks_like_a_cleaner_is_judged(acme: Acme, user: str) -> None:
    bind(acme.plane, acme.client.namespace, "impostor", [subject(user)], plain())
    wait_permitted(acme.client, user, "deletecollection", "apikeys")
    impostor = acme.client.as_user(user)
    before = acme.state()
    denial(lambda: impostor.delete("memberships", "alice"))
    denial(lambda: impostor.delete("apikeys", "laptop"))
    denial(lambda: impostor.patch("memberships", "alice", {"spec": {"role": "Owner"}}))
    assert acme.state() == before
    impostor.close()
