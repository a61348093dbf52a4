"""Memberships at the API server's door: what is refused, in which words, and what is accepted."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from support.api.door import ABSENT, NAME, NAMES, ROLES, Bad, Body, Change, Door, door, rows, with_spec
from support.objects.manifests import marked, member, service_account
from tenure.domain.resources import Membership
from tenure.domain.roles import Role
from tenure_dev.controlplane import ControlPlane

ALICE = member("alice")
E_MAIL = (
    "subject.name: an e-mail address has one @ and an ASCII domain, and no blanks, none of < > ( ) [ ] , ; : \\ and "
)
SYSTEM = "subject.name: the name of a User can't begin with system:, because Kubernetes keeps these names for itself"
HIDDEN = "subject.name: the name of a User can't begin or end with a blank, and can't have control characters"
LABEL = "subject.name: the name of a ServiceAccount must be at most 63 lower-case letters, digits and dashes"
KINDS = 'supported values: "User", "ServiceAccount"'


def user(name: object) -> Body:
    return {"subject": {"kind": "User", "name": name}}


def machine(name: object) -> Body:
    return {"subject": {"kind": "ServiceAccount", "name": name}}


BAD = {
    "role in lower case": Bad({"role": "owner"}, "spec.role", ROLES),
    "role in upper case": Bad({"role": "OWNER"}, "spec.role", ROLES),
    "role after a space": Bad({"role": " Owner"}, "spec.role", ROLES),
    "role and a space": Bad({"role": "Owner "}, "spec.role", ROLES),
    "role and a newline": Bad({"role": "Owner\n"}, "spec.role", ROLES),
    "role with a Cyrillic letter": Bad({"role": "\u041ewner"}, "spec.role", ROLES),
    "role with a NUL": Bad({"role": "Owner\0"}, "spec.role", ROLES),
    "unknown role": Bad({"role": "Admin"}, "spec.role", ROLES),
    "no role yet": Bad({"role": "None"}, "spec.role", ROLES),
    "empty role": Bad({"role": ""}, "spec.role", ROLES),
    "role left out": Bad({"role": ABSENT}, "spec.role", "Required value"),
    "role null": Bad({"role": None}, "spec.role", "Required value"),
    "list of roles": Bad({"role": ["Owner"]}, "spec.role", ROLES),
    "role as an object": Bad({"role": {}}, "spec.role", "must be of type string"),
    "role as an object with a name": Bad({"role": {"name": "Owner"}}, "spec.role.name", "unknown field"),
    "role as a number": Bad({"role": 1}, "spec.role", ROLES),
    "role as a truth value": Bad({"role": True}, "spec.role", ROLES),
    "misspelt field": Bad({"rolle": "Owner"}, "spec.rolle", "unknown field"),
    "field in the plural": Bad({"roles": ["Owner"]}, "spec.roles", "unknown field"),
    "another namespace": Bad({"namespace": "other"}, "spec.namespace", "unknown field"),
    "provenance forged": Bad({"createdBy": "olga@acme.io"}, "spec.createdBy", "unknown field"),
    "organization up a folder": Bad({"organization": "../other"}, "spec.organization", NAME),
    "organization with a slash": Bad({"organization": "a/b"}, "spec.organization", NAME),
    "organization of 64 characters": Bad({"organization": "o" * 64}, "spec.organization", "may not be more than 63"),
    "organization of 300 characters": Bad({"organization": "o" * 300}, "spec.organization", "may not be more than 63"),
    "organization of 500 kB": Bad({"organization": "o" * 500_000}, "spec.organization", "may not be more than 63"),
    "empty organization": Bad({"organization": ""}, "spec.organization", NAME),
    "organization in upper case": Bad({"organization": "Acme"}, "spec.organization", NAME),
    "organization with an underscore": Bad({"organization": "ac_me"}, "spec.organization", NAME),
    "organization and a space": Bad({"organization": "acme "}, "spec.organization", NAME),
    "organization and a newline": Bad({"organization": "acme\n"}, "spec.organization", NAME),
    "organization with two dots": Bad({"organization": "a..b"}, "spec.organization", NAME),
    "organization left out": Bad({"organization": ABSENT}, "spec.organization", "Required value"),
    "organization null": Bad({"organization": None}, "spec.organization", "Required value"),
    "organization as a number": Bad({"organization": 1}, "spec.organization", "must be of type string"),
    "list of organizations": Bad({"organization": ["acme"]}, "spec.organization", "must be of type string"),
    "subject left out": Bad({"subject": ABSENT}, "spec.subject", "Required value"),
    "subject null": Bad({"subject": None}, "spec.subject", "Required value"),
    "subject as text": Bad({"subject": "alice@acme.io"}, "spec.subject", "must be of type object"),
    "list of subjects": Bad({"subject": []}, "spec.subject", "must be of type object"),
    "subject without a kind": Bad({"subject": {"name": "alice@acme.io"}}, "spec.subject.kind", "Required value"),
    "subject without a name": Bad({"subject": {"kind": "User"}}, "spec.subject.name", "Required value"),
    "subject of kind Group": Bad({"subject": {"kind": "Group", "name": "a@b.io"}}, "spec.subject.kind", KINDS),
    "subject of kind Robot": Bad({"subject": {"kind": "Robot", "name": "a@b.io"}}, "spec.subject.kind", KINDS),
    "subject of an empty kind": Bad({"subject": {"kind": "", "name": "a@b.io"}}, "spec.subject.kind", KINDS),
    "subject of kind user": Bad({"subject": {"kind": "user", "name": "a@b.io"}}, "spec.subject.kind", KINDS),
    "subject in a namespace": Bad(
        {"subject": {"kind": "User", "name": "alice@acme.io", "namespace": "x"}},
        "spec.subject.namespace",
        "unknown field",
    ),
    "system:masters": Bad(user("system:masters"), "spec.subject.name", SYSTEM),
    "system:admin": Bad(user("system:admin"), "spec.subject.name", SYSTEM),
    "System:Admin": Bad(user("System:Admin"), "spec.subject.name", SYSTEM),
    "a Kubernetes service account": Bad(user("system:serviceaccount:kube-system:x"), "spec.subject.name", SYSTEM),
    "Kelvin sign in the domain": Bad(user("alice@\u212acme.io"), "spec.subject.name", E_MAIL),
    "name after a space": Bad(user(" alice"), "spec.subject.name", HIDDEN),
    "address and a newline": Bad(user("alice@acme.io\n"), "spec.subject.name", HIDDEN),
    "name with a NUL": Bad(user("alice\0"), "spec.subject.name", HIDDEN),
    "name with a no-break space": Bad(user("jane\u00a0doe"), "spec.subject.name", HIDDEN),
    "name with a zero-width space": Bad(user("ali\u200bce@acme.io"), "spec.subject.name", HIDDEN),
    "name written from right to left": Bad(user("\u202eecila"), "spec.subject.name", HIDDEN),
    "nobody at a domain": Bad(user("@acme.io"), "spec.subject.name", E_MAIL),
    "two at signs": Bad(user("a@b@acme.io"), "spec.subject.name", E_MAIL),
    "two addresses": Bad(user("alice@acme.io,bob@acme.io"), "spec.subject.name", E_MAIL),
    "two dots in an address": Bad(user("jane..doe@acme.io"), "spec.subject.name", E_MAIL),
    "dot before an address": Bad(user(".jane@acme.io"), "spec.subject.name", E_MAIL),
    "dot before the at sign": Bad(user("jane.@acme.io"), "spec.subject.name", E_MAIL),
    "dot before the domain": Bad(user("alice@.acme.io"), "spec.subject.name", E_MAIL),
    "domain with two dots": Bad(user("alice@acme..io"), "spec.subject.name", E_MAIL),
    "domain and a dot": Bad(user("alice@acme.io."), "spec.subject.name", E_MAIL),
    "domain with a dash in front": Bad(user("alice@-acme.io"), "spec.subject.name", E_MAIL),
    "quoted address": Bad(user('"alice"@acme.io'), "spec.subject.name", E_MAIL),
    "address with a display name": Bad(user("Alice <alice@acme.io>"), "spec.subject.name", E_MAIL),
    "empty name": Bad(user(""), "spec.subject.name", "should be at least 1 chars long"),
    "address of 300 characters": Bad(user("a" * 292 + "@acme.io"), "spec.subject.name", "may not be more than 254"),
    "name as a number": Bad(user(1), "spec.subject.name", "must be of type string"),
    "name null": Bad(user(None), "spec.subject.name", "Required value"),
    "service account's name in full": Bad(machine("system:serviceaccount:ns:ci"), "spec.subject.name", LABEL),
    "service account in upper case": Bad(machine("CI"), "spec.subject.name", LABEL),
    "service account with an underscore": Bad(machine("ci_deploy"), "spec.subject.name", LABEL),
    "service account up a folder": Bad(machine("../ci"), "spec.subject.name", LABEL),
    "service account named as a person": Bad(machine("ci@acme.io"), "spec.subject.name", LABEL),
    "service account of 64 characters": Bad(machine("a" * 64), "spec.subject.name", LABEL),
    "service account as Owner": Bad(
        {**machine("ci"), "role": "Owner"},
        "spec.role",
        "role: a ServiceAccount can't be Owner. Use Member, Analyst or Viewer",
    ),
}

NEVER_CHANGES = {
    "another organization": Change(
        ALICE, Bad({"organization": "other"}, "spec.organization", "organization: can't be changed")
    ),
    "another person": Change(ALICE, Bad(user("bob@acme.io"), "spec.subject", "subject: can't be changed")),
    "a person becomes a service account": Change(ALICE, Bad(machine("alice"), "spec.subject", "can't be changed")),
    "a service account becomes a person": Change(
        service_account("ci"), Bad(user("ci@acme.io"), "spec.subject", "subject: can't be changed")
    ),
    "another service account": Change(service_account("ci"), Bad(machine("cd"), "spec.subject", "can't be changed")),
    "a service account becomes Owner": Change(
        service_account("ci"), Bad({"role": "Owner"}, "spec.role", "a ServiceAccount can't be Owner")
    ),
}

GOOD = {
    **{f"person as {role}": member("alice", role) for role in Role},
    **{f"service account as {role}": service_account("ci", role) for role in Role if role is not Role.OWNER},
    "name of 63 characters": member("a" * 63),
    "name with a dot and a dash": member("alice.b-2"),
    "organization with a dot and a dash": with_spec(ALICE, {"organization": "acme.eu-2"}),
    "organization of 63 characters": with_spec(ALICE, {"organization": "o" * 63}),
    "address with a tag and subdomains": with_spec(ALICE, user("alice+ci@mail.acme-2.co.uk")),
    "address of 254 characters": with_spec(ALICE, user("a" * 246 + "@acme.io")),
    **{
        f"person {name}": with_spec(ALICE, user(name))
        for name in (
            "pat.o'brien@acme.example",
            "Alice@Acme.io",
            "älice@acme.io",
            "\u212aelvin@acme.io",
            "alice@acme",
            "alice",
            "jdoe",
            "00u1abcdEFGH",
            "Jane Doe",
            "arn:aws:iam::123456789012:user/jane..doe@acme.io",
            "https://idp.example#jane",
            "oidc:alice@acme.io",
        )
    },
    "service account of 63 characters": with_spec(ALICE, machine("a" * 63)),
    # The API server bounds each label and all annotations together; no schema can bound the number of either.
    "5,000 labels": marked(ALICE, labels={f"l-{number}": "x" for number in range(5000)}),
    "255 kB of annotations": marked(ALICE, annotations={"note": "x" * 255_000}),
}

HEAD = "apiVersion: tenure.dev/v1alpha1\nkind: Membership\nmetadata: {name: alice}\nspec:\n  organization: acme\n"
SUBJECT = "  subject: {kind: User, name: alice@acme.io}\n"
BOMB = "x0: &x0 [x, x]\n" + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 9))
TWICE = json.dumps(ALICE).replace('"role": "Member"', '"role": "Viewer", "role": "Owner"')
DOCUMENTS = {
    "role twice": (f"{HEAD}{SUBJECT}  role: Viewer\n  role: Owner\n", "role", "already set in map"),
    "subject twice": (f"{HEAD}{SUBJECT}{SUBJECT}  role: Viewer\n", "subject", "already set in map"),
    "tab": (f"{HEAD}{SUBJECT}\trole: Viewer\n", "yaml: line", "found character that cannot start any token"),
    "YAML bomb": (f"{HEAD}{SUBJECT}  role: Viewer\n{BOMB}", "yaml", "excessive aliasing"),
    "role twice in JSON": (TWICE, "spec.role", "duplicate field"),
    "half a document": (TWICE[:40], "json parse error", "unexpected end of JSON input"),
    "list": ("[]", "json parse error", "cannot unmarshal array"),
    "not UTF-8": (b"\xff\xfe" + TWICE.encode(), "json parse error", "invalid character"),
    "4 MB": (json.dumps(with_spec(ALICE, {"role": "x" * 4_000_000})), "too large", "limit is 3145728"),
}


@pytest.fixture(scope="module")
def memberships(control_plane: ControlPlane) -> Iterator[Door]:
    with door(control_plane, Membership) as memberships:
        yield memberships


@pytest.mark.parametrize("bad", rows(BAD))
def test_a_bad_spec_is_refused(memberships: Door, bad: Bad) -> None:
    memberships.refuses_spec(ALICE, bad)


@pytest.mark.parametrize("case", rows(NEVER_CHANGES))
def test_what_never_changes_stays(memberships: Door, case: Change) -> None:
    memberships.refuses_change(case)


@pytest.mark.parametrize("case", rows(NAMES))
def test_a_bad_name_is_refused(memberships: Door, case: tuple[str, str]) -> None:
    memberships.refuses_name(ALICE, *case)


@pytest.mark.parametrize("case", rows(DOCUMENTS))
def test_a_bad_document_is_refused(memberships: Door, case: tuple[str | bytes, str, str]) -> None:
    text, field, says = case
    document = text if isinstance(text, bytes) else text.encode()
    media_type = "application/yaml" if document.startswith(b"apiVersion") else "application/json"

    def attempt(**params: str) -> object:
        return memberships.apply_text(document, media_type, **params)

    memberships.refuses(attempt, field, says)


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        pytest.param({"annotations": {"note": "x" * 263_000}}, "metadata.annotations", id="263 kB of annotations"),
        pytest.param({"labels": {"note": "x" * 64}}, "metadata.labels", id="label of 64 characters"),
    ],
)
def test_oversized_metadata_is_refused(memberships: Door, metadata: Mapping[str, Any], field: str) -> None:
    body = {**ALICE, "metadata": {"name": "alice", **metadata}}

    def attempt(**params: str) -> object:
        return memberships.apply(body, **params)

    memberships.refuses(attempt, field, "more than")


@pytest.mark.parametrize("body", rows(GOOD))
def test_a_good_one_is_accepted_and_its_role_can_change(memberships: Door, body: Body) -> None:
    memberships.accepts(body)
    wanted = Role.ANALYST if body["spec"]["role"] == Role.VIEWER else Role.VIEWER
    with memberships.stored(body):
        changed = memberships.change(body["metadata"]["name"], {"role": wanted})
        assert changed["spec"] == {**body["spec"], "role": wanted}


@pytest.mark.parametrize("status", [{"observedGeneration": 1, "role": "Owner"}, {"role": 5}, [], "Ready"])
def test_a_status_of_the_users_own_is_ignored(memberships: Door, status: object) -> None:
    with memberships.stored({**ALICE, "status": status}) as stored:
        assert stored["status"] == {"observedGeneration": -1}
        replaced = memberships.replace({**stored, "status": status})
        assert replaced["status"] == {"observedGeneration": -1}


def test_an_unknown_field_is_lost_where_the_client_is_not_strict(memberships: Door) -> None:
    answer = memberships.apply(with_spec(ALICE, {"rolle": "Owner"}), fieldValidation="Warn", dryRun="All")
    assert answer["spec"] == ALICE["spec"]
