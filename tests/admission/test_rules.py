"""An organization's rules for members, and the rules for organizations themselves."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support import manifests
from support.client import Client, denial, fresh_namespace, refusal
from support.kubectl import NamespacedKubectl
from support.speech import Speech, say
from support.world import World

if TYPE_CHECKING:
    from admission.conftest import Judged

Body = manifests.Body

LONG = 30.0

DOMAINS = {
    "the domain": ("alice@acme.io", True),
    "the other domain": ("alice@acme.example", True),
    "another domain": ("alice@elsewhere.example", False),
    "a domain below": ("alice@mail.acme.io", False),
    "a domain that ends like it": ("alice@notacme.io", False),
    "a domain that begins like it": ("alice@acme.io.example", False),
    "the domain as a name": ("acme.io@elsewhere.example", False),
}
PLACES = {
    "B-47 default": ("default", False),
    "B-47 kube-system": ("kube-system", False),
    "B-47 kube-public": ("kube-public", False),
    "B-47 kube-anything": ("kube-anything", False),
    "B-47 kubernetes": ("kubernetes", True),
    "B-47 default-2": ("default-2", True),
}


@pytest.fixture
def client(judged: "Judged") -> Iterator[Client]:
    with fresh_namespace(judged.plane) as client:
        yield client


@pytest.fixture
def kubectl(judged: "Judged", client: Client) -> NamespacedKubectl:
    return NamespacedKubectl(judged.plane.kubectl, client.namespace)


def person(name: str, address: str, role: str = "Member") -> Body:
    body = manifests.member(name, role)
    return {**body, "spec": {**body["spec"], "subject": {"kind": "User", "name": address}}}


@pytest.mark.parametrize(("address", "passes"), DOMAINS.values(), ids=DOMAINS)
def test_new_members_belong_to_the_allowed_domains(client: Client, address: str, passes: bool) -> None:  # noqa: FBT001
    client.create("organizations", manifests.organization(allowedEmailDomains=["acme.io", "acme.example"]))
    if passes:
        client.create("memberships", person("alice", address))
        return
    message = denial(lambda: client.create("memberships", person("alice", address)))
    assert message == (
        f"spec.subject.name: {address} isn't in a domain of Organization acme (spec.allowedEmailDomains: acme.io, "
        "acme.example)"
    )


def test_domains_dont_concern_service_accounts_and_members_who_were_there(client: Client) -> None:
    client.create("organizations", manifests.organization())
    client.create("memberships", person("alice", "alice@elsewhere.example"))
    client.patch("organizations", "acme", {"spec": {"allowedEmailDomains": ["acme.io"]}})
    client.create("memberships", manifests.service_account("ci"))
    client.patch("memberships", "alice", {"spec": {"role": "Viewer"}})
    client.delete("memberships", "alice")


def test_nobody_is_a_member_twice(client: Client) -> None:
    client.create("organizations", manifests.organization())
    client.create("memberships", manifests.member("alice"))
    message = denial(lambda: client.create("memberships", person("alice-2", "alice@acme.io", "Viewer")))
    assert message == (
        "spec.subject: alice@acme.io is a member already, by Membership alice; change that one's role instead"
    )
    message = denial(
        lambda: client.create("memberships", {**person("alice-3", "alice@acme.io"), "spec": other_organization()})
    )
    assert "is a member already, by Membership alice" in message


def other_organization() -> Body:
    return {"organization": "other", "subject": {"kind": "User", "name": "alice@acme.io"}, "role": "Member"}


def test_no_service_account_is_a_member_twice(client: Client) -> None:
    client.create("organizations", manifests.organization())
    client.create("memberships", manifests.service_account("ci"))
    second = {**manifests.service_account("ci"), "metadata": {"name": "ci-2"}}
    message = denial(lambda: client.create("memberships", second))
    assert "spec.subject: ci is a member already, by Membership ci" in message


def test_a_subject_that_is_going_or_elsewhere_doesnt_count(judged: "Judged", client: Client) -> None:
    client.create("organizations", manifests.organization())
    client.create("memberships", manifests.held(manifests.member("alice")))
    client.delete("memberships", "alice")
    client.create("memberships", person("alice-2", "alice@acme.io"))
    client.patch("memberships", "alice", {"metadata": {"finalizers": None}})
    with fresh_namespace(judged.plane) as other:
        other.create("memberships", manifests.member("alice-2"))


def test_a_namespace_holds_one_organization(client: Client) -> None:
    client.create("organizations", manifests.held(manifests.organization()))
    message = denial(lambda: client.create("organizations", manifests.organization("second")))
    assert message == (
        f"metadata.namespace: Organization acme is in {client.namespace} already, and a namespace holds one; use "
        "another namespace"
    )
    client.patch("organizations", "acme", {"spec": {"displayName": "Acme Inc."}})
    client.delete("organizations", "acme")
    client.create("organizations", manifests.organization("second"))
    client.patch("organizations", "acme", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize(("namespace", "passes"), PLACES.values(), ids=PLACES)
def test_an_organization_has_a_namespace_of_its_own(judged: "Judged", namespace: str, passes: bool) -> None:  # noqa: FBT001
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    judged.plane.kubectl("apply", "--filename=-", input=json.dumps(body))
    client = Client(judged.plane, namespace)
    if passes:
        client.create("organizations", manifests.organization(), dryRun="All")
    else:
        message = denial(lambda: client.create("organizations", manifests.organization()))
        assert message.startswith("metadata.namespace: whoever may create a pod in an organization's namespace can ")
        assert f"it can't be {namespace}; use one of its own" in message
    client.close()


def test_a_protected_organization_stays_until_the_protection_is_taken_away(client: Client) -> None:
    client.create("organizations", manifests.organization(deletionProtection=True))
    message = denial(lambda: client.delete("organizations", "acme"))
    assert message == (
        "spec.deletionProtection: Organization acme is protected; set it to false in a write of its own before "
        "deleting the organization"
    )
    unprotected = {
        "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "4711"}]},
        "spec": {"deletionProtection": False},
    }
    assert "is protected" in denial(lambda: client.patch("organizations", "acme", unprotected))
    client.patch("organizations", "acme", {"spec": {"deletionProtection": False}})
    client.delete("organizations", "acme")
    assert client.get("organizations", "acme") is None


@pytest.mark.parametrize(("keys", "said"), [(0, None), (1, "1 working key"), (3, "3 working keys")])
def test_deleting_an_organization_warns_of_its_working_keys(
    client: Client, kubectl: NamespacedKubectl, keys: int, said: str | None
) -> None:
    world = World(client)
    world.create(manifests.organization(), manifests.member("olga", "Owner"), manifests.member("alice"))
    names = [f"key-{number}" for number in range(keys)]
    world.create(*(manifests.api_key(name, "alice") for name in names))
    world.issue(*names, within=LONG)
    world.wait_valid_keys(keys, within=LONG)
    wanted = [f"Deleting Organization acme ends {said}; whatever uses them stops working at once."] if said else []
    for options in (["--dry-run=server"], ["--wait=false"]):
        heard: Speech = say(kubectl, "delete", "organization", "acme", *options)
        assert heard.passed, heard.errors
        assert heard.warnings == wanted


def test_all_that_is_wrong_is_said_at_once(client: Client) -> None:
    deny = [{"from": "None", "to": "Owner"}]
    client.create("organizations", manifests.organization(allowedEmailDomains=["acme.io"], roleChanges={"deny": deny}))
    client.create("memberships", person("alice", "alice@acme.io"))
    client.patch("organizations", "acme", {"spec": {"allowedEmailDomains": ["elsewhere.example"]}})
    body = manifests.marked(person("alice-2", "alice@acme.io", "Owner"), labels={f"l{n}": "x" for n in range(65)})
    lines = denial(lambda: client.create("memberships", body)).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "metadata.labels",
        "spec.role",
        "spec.subject.name",
        "spec.subject",
    ]


def test_without_an_organization_members_may_be_made(client: Client) -> None:
    assert refusal(lambda: client.create("memberships", manifests.member("alice"))) is None
