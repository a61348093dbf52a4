"""What gains nobody a role or a key: metadata, a status in a creation; and who may write a status at all."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from support.api.client import Client, refusal
from support.cluster.acme import SELECTED, Acme, attacked
from support.cluster.people import (
    ADMINISTRATOR,
    MEMBER,
    OWNER,
    PEOPLE,
    Person,
    bind,
    rule,
    subject,
    wait_permitted,
)
from support.objects import manifests
from tenure.domain.resources import KINDS

if TYPE_CHECKING:
    from admission.conftest import Judged

OBJECTS = {"organizations": "acme", "memberships": "alice", "apikeys": "laptop"}
KOPF = "kopf.zalando.org"

METADATA: Mapping[str, dict[str, Any]] = {
    "1.7 a finalizer": {"finalizers": ["example.com/held"]},
    "1.7 labels for selectors": {"labels": SELECTED},
    "1.7 a GitOps tool's label": {"labels": {"kustomize.toolkit.fluxcd.io/name": "forged"}},
    "B-33 Kopf's last-handled-configuration": {"annotations": {f"{KOPF}/last-handled-configuration": '{"spec":{}}'}},
    "B-34 Kopf's last-handled-configuration, broken": {"annotations": {f"{KOPF}/last-handled-configuration": "{"}},
    "B-35 Kopf's progress": {"annotations": {f"{KOPF}/apikeys": '{"success":true,"purpose":"update"}'}},
    "an acknowledgement": {"annotations": {"tenure.dev/acknowledge-key-deletion": "Viewer: laptop"}},
}


@pytest.fixture(scope="module")
def acme(judged: "Judged") -> Iterator[Acme]:
    with attacked(judged.plane) as acme:
        acme.world.issue("laptop", within=30)
        yield acme


@pytest.fixture
def clean(acme: Acme) -> Iterator[Acme]:
    """Give the organization, and take finalizers, labels and annotations away afterwards."""
    yield acme
    for plural, name in OBJECTS.items():
        nothing = {"metadata": {"finalizers": None, "labels": None, "annotations": None}}
        acme.client.patch(plural, name, nothing)


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
def test_metadata_changes_no_role_and_no_key(clean: Acme, metadata: dict[str, Any]) -> None:
    token = clean.world.token("laptop")
    assert token is not None
    before = clean.state()
    for plural, name in OBJECTS.items():
        clean.by(ADMINISTRATOR).patch(plural, name, {"metadata": metadata})
    after = clean.state()
    assert {name: body["spec"] for name, body in after.items()} == {name: body["spec"] for name, body in before.items()}
    assert {name: body["metadata"]["generation"] for name, body in after.items()} == {
        name: body["metadata"]["generation"] for name, body in before.items()
    }
    assert clean.world.verdict(token) == "Valid"
    assert clean.world.token("laptop") == token


def test_b_31_a_status_in_a_creation_is_not_stored(acme: Acme) -> None:
    forged = {"hash": "sha256:" + "0" * 64, "keyId": "forged", "secretUID": "4711"}
    made = acme.by(MEMBER).create("apikeys", {**manifests.api_key("forged", "mia"), "status": forged})
    assert not set(made.get("status") or {}) & set(forged)
    token = acme.world.issue("forged", within=30)["forged"]
    assert acme.world.key("forged")["status"]["hash"] == token.hash
    acme.by(MEMBER).delete("apikeys", "forged")


@pytest.mark.parametrize("plural", OBJECTS)
@pytest.mark.parametrize("person", [person for person in PEOPLE if person is not ADMINISTRATOR], ids=str)
def test_b_37_no_role_of_tenures_writes_a_status(acme: Acme, person: Person, plural: str) -> None:
    error = refusal(
        lambda: acme.by(person).patch(plural, OBJECTS[plural], {"status": {"observedGeneration": 99}}, "status")
    )
    assert error is not None
    assert error.code == 403
    assert f'cannot patch resource "{plural}/status"' in error.body["message"]
    body = acme.client.get(plural, OBJECTS[plural])
    assert body is not None
    assert body["status"]["observedGeneration"] != 99


@pytest.mark.parametrize("plural", OBJECTS)
def test_1_7_by_the_status_no_spec_is_changed(acme: Acme, plural: str) -> None:
    user = "status@elsewhere.example"
    bind(acme.plane, acme.client.namespace, "status", [subject(user)], rule([f"{plural}/status"], ["patch", "update"]))
    wait_permitted(acme.client, user, "patch", f"{plural}/status", OBJECTS[plural])
    changes = {
        "organizations": {"deletionProtection": False},
        "memberships": {"role": "Owner"},
        "apikeys": {"revision": 2},
    }
    before = acme.state()
    client = acme.client.as_user(user)
    client.patch(plural, OBJECTS[plural], {"spec": changes[plural], "metadata": {"labels": {"a": "b"}}}, "status")
    client.close()
    assert acme.state() == before


@pytest.mark.parametrize("subresource", ["scale", "finalize", "log"])
def test_1_7_there_are_no_other_subresources(acme: Acme, subresource: str) -> None:
    for plural, name in OBJECTS.items():
        error = refusal(lambda plural=plural, name=name: acme.client.patch(plural, name, {}, subresource))  # type: ignore[misc]
        assert error is not None
        assert error.code == 404


def test_all_kinds_are_covered() -> None:
    assert set(OBJECTS) == {resource.plural for resource in KINDS}


DRIFTS: Mapping[str, Callable[[Client], object]] = {
    "role": lambda client: client.patch("memberships", "alice", {"spec": {"role": "Viewer"}}, dryRun="All"),
    "key": lambda client: client.patch("apikeys", "laptop", {"spec": {"revision": 9}}, dryRun="All"),
    "new key": lambda client: client.create("apikeys", manifests.api_key("dry", "alice"), dryRun="All"),
    "new member": lambda client: client.create("memberships", manifests.member("dry"), dryRun="All"),
    "removal": lambda client: client.delete("memberships", "alice", dryRun=["All"]),
}


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
def test_b_46_a_dry_run_that_passes_changes_nothing(acme: Acme, drift: Callable[[Client], object]) -> None:
    token, before = acme.world.token("laptop"), acme.state()
    drift(acme.by(OWNER))
    assert acme.state() == before
    assert acme.world.token("laptop") == token
