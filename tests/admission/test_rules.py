"""An organization's rules for members, and the rules for organizations, on a real API server.

Every row of them: tests/unit/domain/admission/test_decide_rules.py.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from support.api.client import Client, denial, fresh_namespace
from support.api.kubectl import NamespacedKubectl
from support.api.speech import Speech, say
from support.cluster.world import World
from support.objects import manifests

if TYPE_CHECKING:
    from admission.conftest import Judged

Body = manifests.Body

LONG = 30.0


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


def test_new_members_belong_to_the_allowed_domains(client: Client) -> None:
    client.create("organizations", manifests.organization(allowedEmailDomains=["acme.io", "acme.example"]))
    client.create("memberships", person("alice", "alice@acme.example"))
    message = denial(lambda: client.create("memberships", person("bob", "bob@mail.acme.io")))
    assert message == (
        "spec.subject.name: Organization acme doesn't allow the domain of bob@mail.acme.io. It allows "
        "acme.io, acme.example (spec.allowedEmailDomains)."
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
        "spec.subject: alice@acme.io is already a member, with Membership alice. Change the role of that Membership "
        "instead. To rename it, first delete Membership alice and its ApiKeys, and create alice-2 once they are gone."
    )
    message = denial(
        lambda: client.create("memberships", {**person("alice-3", "alice@acme.io"), "spec": other_organization()})
    )
    assert "is already a member, with Membership alice" in message


def other_organization() -> Body:
    return {"organization": "other", "subject": {"kind": "User", "name": "alice@acme.io"}, "role": "Member"}


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
        f"metadata.namespace: namespace {client.namespace} already has Organization acme, and it can have only "
        "one. Use another namespace."
    )
    client.patch("organizations", "acme", {"spec": {"displayName": "Acme Inc."}})
    client.delete("organizations", "acme")
    client.create("organizations", manifests.organization("second"))
    client.patch("organizations", "acme", {"metadata": {"finalizers": None}})


def test_b_47_an_organization_has_a_namespace_of_its_own(judged: "Judged") -> None:
    client = Client(judged.plane, "default")
    message = denial(lambda: client.create("organizations", manifests.organization()))
    assert message.startswith("metadata.namespace: an Organization can't be in ")
    assert "Use a namespace of its own (kubectl create namespace acme)." in message
    client.close()


def test_a_protected_organization_stays_until_the_protection_is_taken_away(client: Client) -> None:
    client.create("organizations", manifests.organization(deletionProtection=True))
    message = denial(lambda: client.delete("organizations", "acme"))
    assert message == (
        "spec.deletionProtection: Organization acme is protected against deletion. First run: kubectl patch "
        f"organizations.tenure.dev acme -n {client.namespace} --type merge -p "
        """'{"spec":{"deletionProtection":false}}'"""
    )
    unprotected = {
        "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "4711"}]},
        "spec": {"deletionProtection": False},
    }
    assert "is protected" in denial(lambda: client.patch("organizations", "acme", unprotected))
    client.patch("organizations", "acme", {"spec": {"deletionProtection": False}})
    client.delete("organizations", "acme")
    assert client.get("organizations", "acme") is None


def test_deleting_an_organization_warns_of_its_working_keys(client: Client, kubectl: NamespacedKubectl) -> None:
    world = World(client)
    world.create(manifests.organization(), manifests.member("olga", "Owner"), manifests.member("alice"))
    names = [f"key-{number}" for number in range(3)]
    world.create(*(manifests.api_key(name, "alice") for name in names))
    world.issue(*names, within=LONG)
    world.wait_valid_keys(3, within=LONG)
    for options in (["--dry-run=server"], ["--wait=false"]):
        heard: Speech = say(kubectl, "delete", "organization", "acme", *options)
        assert heard.passed, heard.errors
        assert heard.warnings == [
            "Deleting Organization acme revokes 3 API keys. Programs that use them stop working immediately."
        ]


def test_all_that_is_wrong_is_said_at_once(client: Client) -> None:
    deny = [{"from": "None", "to": "Owner"}]
    client.create("organizations", manifests.organization(allowedEmailDomains=["acme.io"], roleChanges={"deny": deny}))
    client.create("memberships", person("olga", "olga@acme.io", "Owner"))  # The first one, whom no rule denies.
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
