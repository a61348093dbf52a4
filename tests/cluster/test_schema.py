"""The three kinds as kubectl shows them, and what their schema promises to the stamp and to automation."""

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest

from support.api.api import Api
from support.api.kubectl import NamespacedKubectl
from support.objects.manifests import Body, api_key, marked, member, organization, service_account
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure_dev.controlplane import ControlPlane

COLUMNS = {
    "org": "NAME READY OWNERS MEMBERS KEYS AGE",
    "mbr": "NAME ROLE SUBJECT KEYS READY AGE",
    "ak": "NAME MEMBER ROLE ACCESS READY REASON EXPIRES FORMER LAST-USED AGE",
}
WIDE = {
    "org": "REASON SUSPENDED POLICY",
    "mbr": "KIND USERNAME LAST-CHANGE REASON ACCEPTED",
    "ak": "KEY-ID CAPABILITIES FOR-ROLE REVISION SECRET ROTATES DESCRIPTION",
}
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Issued",
    "message": "the token in Secret laptop works",
    "lastTransitionTime": "2026-11-24T08:30:00Z",
}
STAMP = {
    "organizationUID": "1",
    "membershipUID": "2",
    "membershipGeneration": 1,
    "role": "Member",
    "revision": 2,
    "at": "2026-11-24T08:30:00Z",
}
STATUS = {
    "observedGeneration": 1,
    "conditions": [READY],
    "keyId": "8fK2mQ7xLw3Z",
    "secretName": "laptop",
    "subjectKind": "User",
    "expiresAt": "2027-02-22T08:30:00Z",
    "issued": STAMP,
}
# Every one of the twelve transitions between the roles, one after the other.
ALL_TRANSITIONS = (
    *("Owner", "Member", "Owner", "Analyst", "Owner", "Viewer", "Member"),
    *("Analyst", "Member", "Viewer", "Analyst", "Viewer", "Owner"),
)
SELECTORS = [
    ("ak", "spec.membership=alice", {"laptop"}),
    ("ak", "spec.membership!=alice", {"bobs", "pipeline"}),
    ("ak", "status.keyId=8fK2mQ7xLw3Z", {"laptop"}),
    ("ak", "status.subjectKind=User", {"laptop"}),
    ("ak", "status.subjectKind=", {"bobs", "pipeline"}),
    ("mbr", "spec.subject.name=bob@acme.io", {"bob"}),
    ("mbr", "spec.role=Viewer", {"bob"}),
    ("mbr", "spec.role!=Viewer,spec.subject.name!=ci", {"alice"}),
]
MANIFESTS: Mapping[type[Resource], Body] = {
    Organization: organization(suspended=False),
    Membership: member("alice"),
    ApiKey: api_key("laptop", "alice", ttl="1h"),
}

per_kind = pytest.mark.parametrize("resource", [pytest.param(kind, id=kind.kind) for kind in KINDS])


@pytest.fixture
def api(control_plane: ControlPlane, namespace: str) -> Iterator[Api]:
    api = Api(control_plane, namespace)
    yield api
    api.close()


@pytest.fixture
def acme(api: Api) -> Api:
    """Give a namespace with an organization, two people, a service account, and a key for each."""
    api.create("organizations", organization())
    for body in (member("alice"), member("bob", "Viewer"), service_account("ci")):
        api.create("memberships", body)
    limits = {"capabilities": ["clusters", "costs"], "description": "infra/deploy"}
    api.create("apikeys", api_key("laptop", "alice", forRole="Member", **limits))
    api.create("apikeys", api_key("bobs", "bob", access="View"))
    api.create("apikeys", api_key("pipeline", "ci"))
    api.patch("apikeys", "laptop", {"status": STATUS}, "status")
    return api


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.usefixtures("acme")
def test_columns(kubectl: NamespacedKubectl, name: str) -> None:
    assert kubectl("get", name).stdout.splitlines()[0].split() == COLUMNS[name].split()
    wide = kubectl("get", name, "--output=wide").stdout.splitlines()[0].split()
    assert wide == f"{COLUMNS[name]} {WIDE[name]}".split()


@pytest.mark.usefixtures("acme")
def test_the_columns_hold_what_they_say(kubectl: NamespacedKubectl) -> None:
    keys = kubectl("get", "ak", "--output=wide", "--no-headers", "laptop").stdout.split()
    assert keys[:7] == ["laptop", "alice", "Member", "Full", "True", "Issued", "2027-02-22T08:30:00Z"]
    assert keys[8:] == ["8fK2mQ7xLw3Z", '["clusters","costs"]', "Member", "2", "laptop", "infra/deploy"]
    members = kubectl("get", "mbr", "--no-headers").stdout.splitlines()
    assert [line.split()[:3] for line in members] == [
        ["alice", "Member", "alice@acme.io"],
        ["bob", "Viewer", "bob@acme.io"],
        ["ci", "Member", "ci"],
    ]


@pytest.mark.usefixtures("acme")
def test_the_category_shows_all_three_kinds(kubectl: NamespacedKubectl) -> None:
    names = kubectl("get", "tenure", "--output=name").stdout.split()
    assert sorted(names) == sorted(
        [
            "organization.tenure.dev/acme",
            *(f"membership.tenure.dev/{name}" for name in ("alice", "bob", "ci")),
            *(f"apikey.tenure.dev/{name}" for name in ("laptop", "bobs", "pipeline")),
        ]
    )


@pytest.mark.parametrize(("kind", "selector", "names"), SELECTORS)
@pytest.mark.usefixtures("acme")
def test_field_selectors(kubectl: NamespacedKubectl, kind: str, selector: str, names: set[str]) -> None:
    found = kubectl("get", kind, f"--field-selector={selector}", "--output=name").stdout.split()
    assert {name.rpartition("/")[2] for name in found} == names


def test_explain_reads_well(kubectl: NamespacedKubectl) -> None:
    explained = " ".join(kubectl("explain", "apikey.spec.forRole").stdout.split())
    assert "FIELD: forRole <string>" in explained
    assert "One of Owner, Member, Analyst, Viewer." in explained
    assert "The role that you approve this key for. Tenure issues the key only while the member has" in explained


@per_kind
def test_every_field_has_a_description(control_plane: ControlPlane, resource: type[Resource]) -> None:
    schema = served_schema(control_plane, resource)
    assert schema["description"]
    silent = [path for path, field in fields(schema) if not field.get("description")]
    assert silent == []
    assert {path for path, _ in fields(schema)} >= {"spec", "status", "status.conditions.reason"}


@per_kind
def test_no_message_makes_tools_delete_and_recreate(control_plane: ControlPlane, resource: type[Resource]) -> None:
    messages = list(rule_messages(served_schema(control_plane, resource)))
    assert messages
    assert [text for text in messages if "is immutable" in text or "immutable field" in text] == []


def test_a_membership_has_these_three_fields_for_good(control_plane: ControlPlane) -> None:
    spec = served_schema(control_plane, Membership)["properties"]["spec"]
    assert set(spec["properties"]) == set(spec["required"]) == {"organization", "subject", "role"}
    assert set(spec["properties"]["subject"]["properties"]) == {"kind", "name"}


@per_kind
def test_a_new_object_says_that_nobody_has_seen_it_yet(api: Api, resource: type[Resource]) -> None:
    assert api.create(resource.plural, MANIFESTS[resource])["status"] == {"observedGeneration": -1}


def test_the_generation_counts_role_changes(api: Api) -> None:
    body = api.create("memberships", member("alice", ALL_TRANSITIONS[0]))
    assert body["metadata"]["generation"] == 1
    assert len(set(pairwise(ALL_TRANSITIONS))) == 12
    for changes, role in enumerate(ALL_TRANSITIONS[1:], start=1):
        body = api.patch("memberships", "alice", {"spec": {"role": role}})
        assert (body["spec"]["role"], body["metadata"]["generation"]) == (role, 1 + changes)


@per_kind
def test_the_generation_moves_by_nothing_else(api: Api, kubectl: NamespacedKubectl, resource: type[Resource]) -> None:
    body = MANIFESTS[resource]
    name, manifest = body["metadata"]["name"], json.dumps(body)
    kubectl.apply(body)
    kubectl.apply(body)
    kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=manifest)
    kubectl("apply", "--server-side", "--field-manager=argocd-controller", "--filename=-", input=manifest)
    kubectl.apply(marked(body, labels={"team": "core"}, annotations={"note": "x"}))
    kubectl("replace", "--filename=-", input=manifest)
    api.patch(resource.plural, name, {"spec": body["spec"]})
    api.patch(resource.plural, name, {"spec": {"rolle": "Owner"}})
    api.patch(resource.plural, name, {"metadata": {"finalizers": ["example.com/held"]}})
    api.patch(resource.plural, name, {"metadata": {"finalizers": None}})
    changed = api.patch(resource.plural, name, {"status": {"observedGeneration": 1, "conditions": [READY]}}, "status")

    assert changed["status"]["conditions"] == [READY]
    assert changed["metadata"]["generation"] == 1


def served_schema(plane: ControlPlane, resource: type[Resource]) -> dict[str, Any]:
    """Return the schema of a kind as the API server serves it."""
    answer = plane.kubectl("get", "crd", f"{resource.plural}.tenure.dev", "--output=json").stdout
    (version,) = json.loads(answer)["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def fields(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give every field's dotted path and schema; a list's items are not fields, but their fields are."""
    for name, field in schema.get("properties", {}).items():
        if prefix or name in {"spec", "status"}:
            yield f"{prefix}{name}", field
            yield from fields(field, f"{prefix}{name}.")
            yield from fields(field.get("items", {}), f"{prefix}{name}.")


def rule_messages(schema: object) -> Iterator[str]:
    """Give the message of every CEL rule."""
    if isinstance(schema, Mapping):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
        for child in schema.values():
            yield from rule_messages(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from rule_messages(child)
