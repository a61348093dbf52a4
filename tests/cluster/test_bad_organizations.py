"""Organizations at the API server's door: what is refused, in which words, and what is accepted."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from support.api.door import ABSENT, DURATION, NAME, NAMES, Bad, Body, Change, Door, door, rows, with_spec
from support.objects.manifests import organization
from tenure.domain.resources import Organization
from tenure_dev.controlplane import ControlPlane

ACME = organization()
DOMAIN = "must be a domain in lower-case ASCII, for example acme.io"
PREFIX = "must be a domain in lower case and a slash, for example acme.io/"
FROM = 'supported values: "*", "None", "Owner", "Member", "Analyst", "Viewer"'
TO = 'supported values: "*", "Owner", "Member", "Analyst", "Viewer"'
STRICTNESS = "must be one of Warn, RequireAcknowledgement, Deny"
DEMOTION = {"from": "Viewer", "to": "Owner"}


def keys(field: str, value: object, says: str, place: str = "") -> Bad:
    return Bad({"keys": {field: value}}, f"spec.keys.{field}{place}", says)


def changes(field: str, value: object, says: str, place: str = "") -> Bad:
    return Bad({"roleChanges": {field: value}}, f"spec.roleChanges.{field}{place}", says)


def deny(transition: object, says: str, place: str = "") -> Bad:
    return changes("deny", [transition], says, f"[0]{place}")


def domains(value: object, says: str = DOMAIN, place: str = "[0]") -> Bad:
    return Bad({"allowedEmailDomains": value}, f"spec.allowedEmailDomains{place}", says)


def invites(field: str, value: object, says: str, place: str = "") -> Bad:
    return Bad({"invitations": {field: value}}, f"spec.invitations.{field}{place}", says)


def address(value: object, says: str = "must be one e-mail address without a name") -> Bad:
    return invites("addresses", [{"name": "jdoe", "address": value}], says, "[0].address")


def reminds(value: object, says: str = "each must be at least 1h and at most 8760h", place: str = "") -> Bad:
    return Bad({"notifications": {"keysExpiring": value}}, f"spec.notifications.keysExpiring{place}", says)


def suspended(value: object, says: str, place: str = "[0].name") -> Bad:
    return Bad({"suspendedMembers": value}, f"spec.suspendedMembers{place}", says)


BAD = {
    "no keys allowed": keys("maxPerMember", 0, "greater than or equal to 1"),
    "negative limit": keys("maxPerMember", -1, "greater than or equal to 1"),
    "limit beyond a thousand": keys("maxPerMember", 1001, "less than or equal to 1000"),
    "half a key": keys("maxPerMember", 1.5, "must be of type int64"),
    "limit as text": keys("maxPerMember", "20", "must be of type integer"),
    "limit as a truth value": keys("maxPerMember", value=True, says="must be of type int64"),
    "list of limits": keys("maxPerMember", [20], "must be of type integer"),
    "no time": keys("maxTTL", "0s", DURATION),
    "days": keys("maxTTL", "365d", DURATION),
    "overlap in days": keys("maxOverlap", "7d", DURATION),
    "default overlap in days": keys("defaultOverlap", "7d", DURATION),
    "rotated within half an hour": keys("rotateWithin", "30m", "must be at least 1h"),
    "negative duration": keys("maxTTL", "-1h", DURATION),
    "fraction of an hour": keys("maxTTL", "1.5h", DURATION),
    "empty duration": keys("maxTTL", "", DURATION),
    "six digits": keys("maxTTL", "100000h", DURATION),
    "duration and a newline": keys("maxTTL", "1h\n", DURATION),
    "duration of 100 characters": keys("maxTTL", "1h" * 50, "may not be more than 18"),
    "duration as a number": keys("maxTTL", 8760, "must be of type string"),
    "requireExpiry as text": keys("requireExpiry", "yes", "must be of type boolean"),
    "onRoleChange in lower case": keys("onRoleChange", "auto", "must be one of Auto, Delete, Revoke"),
    "empty onRoleChange": keys("onRoleChange", "", "must be one of Auto, Delete, Revoke"),
    "unknown onRoleChange": keys("onRoleChange", "Keep", "must be one of Auto, Delete, Revoke"),
    "prefix without a slash": keys("secretMetadataPrefixes", ["acme.io"], PREFIX, "[0]"),
    "prefix for anything": keys("secretMetadataPrefixes", ["*"], PREFIX, "[0]"),
    "empty prefix": keys("secretMetadataPrefixes", [""], PREFIX, "[0]"),
    "bare slash": keys("secretMetadataPrefixes", ["/"], PREFIX, "[0]"),
    "prefix in upper case": keys("secretMetadataPrefixes", ["ACME.io/"], PREFIX, "[0]"),
    "prefix with two dots": keys("secretMetadataPrefixes", ["acme..io/"], PREFIX, "[0]"),
    "prefix with a space": keys("secretMetadataPrefixes", ["a b/"], PREFIX, "[0]"),
    "prefix twice": keys("secretMetadataPrefixes", ["acme.io/"] * 2, "Duplicate value", "[1]"),
    "21 prefixes": keys("secretMetadataPrefixes", [f"p{n}.io/" for n in range(21)], "at most 20 items"),
    "prefix as text": keys("secretMetadataPrefixes", "acme.io/", "must be of type array"),
    "keys as a list": Bad({"keys": []}, "spec.keys", "must be of type object"),
    "unknown rule for keys": keys("minTTL", "1h", "unknown field"),
    "whenKeysExist in lower case": changes("whenKeysExist", "warn", STRICTNESS),
    "empty whenKeysExist": changes("whenKeysExist", "", STRICTNESS),
    "unknown whenKeysExist": changes("whenKeysExist", "Block", STRICTNESS),
    "deny as an object": changes("deny", DEMOTION, "unknown field"),
    "deny as text": changes("deny", "Viewer->Owner", "must be of type array"),
    "21 transitions": changes("deny", [DEMOTION] * 21, "at most 20 items"),
    "transition as text": deny("Viewer->Owner", "must be of type object"),
    "transition null": deny(None, "must be of type object"),
    "transition from nowhere": deny({"to": "Owner"}, "Required value", ".from"),
    "transition to nowhere": deny({"from": "Viewer"}, "Required value", ".to"),
    "from in lower case": deny({"from": "viewer", "to": "Owner"}, FROM, ".from"),
    "from any": deny({"from": "Any", "to": "Owner"}, FROM, ".from"),
    "to none": deny({"from": "Viewer", "to": "None"}, TO, ".to"),
    "to an unknown role": deny({"from": "Viewer", "to": "Admin"}, TO, ".to"),
    "list of froms": deny({"from": ["Viewer"], "to": "Owner"}, FROM, ".from"),
    "transition with a reason": deny({**DEMOTION, "reason": "x"}, "unknown field", ".reason"),
    "roleChanges as text": Bad({"roleChanges": "Deny"}, "spec.roleChanges", "must be of type object"),
    "domain in upper case": domains(["ACME.io"]),
    "domain without a dot": domains(["acme"]),
    "domain with an at sign": domains(["@acme.io"]),
    "any subdomain": domains(["*.acme.io"]),
    "domain and a dot": domains(["acme.io."]),
    "domain and a path": domains(["acme.io/x"]),
    "domain after a space": domains([" acme.io"]),
    "Kelvin sign": domains(["\u212acme.io"]),
    "empty domain": domains([""]),
    "domain as a number": domains([1], "must be of type string"),
    "domain twice": domains(["acme.io"] * 2, "Duplicate value", "[1]"),
    "51 domains": domains([f"a{n}.io" for n in range(51)], "at most 50 items", ""),
    "domain of 500 kB": domains(["a" * 500_000 + ".io"], "may not be more than 253"),
    "domain as text": domains("acme.io", "must be of type array", ""),
    "member suspended twice": suspended([{"name": "alice"}] * 2, "Duplicate value", "[1]"),
    "member suspended twice for two reasons": suspended(
        [{"name": "alice", "reason": "a"}, {"name": "alice", "reason": "b"}], "Duplicate value", "[1]"
    ),
    "members as text": suspended(["alice"], "must be of type object", "[0]"),
    "members as an object": suspended({"alice": {}}, "unknown field", ".alice"),
    "member without a name": suspended([{}], "Required value"),
    "member's name null": suspended([{"name": None}], "Required value"),
    "member's name empty": suspended([{"name": ""}], NAME),
    "member in upper case": suspended([{"name": "Alice"}], NAME),
    "member up a folder": suspended([{"name": "../alice"}], NAME),
    "member of 64 characters": suspended([{"name": "a" * 64}], "may not be more than 63"),
    "reason of a novel": suspended([{"name": "a", "reason": "x" * 1025}], "may not be more than 1024", "[0].reason"),
    "reason as a number": suspended([{"name": "a", "reason": 4711}], "must be of type string", "[0].reason"),
    "suspended until": suspended([{"name": "alice", "until": "x"}], "unknown field", "[0].until"),
    "1,001 members": suspended([{"name": f"m{n}"} for n in range(1001)], "at most 1000 items", ""),
    "mode in lower case": invites("mode", "notify", "must be one of None, Notify, RequireAcceptance"),
    "mode as a truth value": invites("mode", value=True, says="must be of type string"),
    "link for half an hour": invites("expiresAfter", "30m", "must be at least 1h and at most 720h"),
    "link for 31 days": invites("expiresAfter", "744h", "must be at least 1h and at most 720h"),
    "link for days": invites("expiresAfter", "7d", DURATION),
    "language by name": invites("language", "German", "must be a language such as en, de or pt-BR"),
    "language with an underscore": invites("language", "pt_BR", "must be a language such as en, de or pt-BR"),
    "language up a folder": invites("language", "../de", "must be a language such as en, de or pt-BR"),
    "contact with a name": invites("contact", "Ops <ops@acme.io>", "must be one e-mail address without a name"),
    "contact with a header": invites("contact", "ops@acme.io\r\nBcc: a@b.io", "must be one e-mail address"),
    "address without an at sign": address("jane"),
    "address at a host with a space": address("jane@acme io"),
    "two addresses": address("jane@acme.io,mallory@evil.io"),
    "address after a line break": address("\njane@acme.io"),
    "address with a right-to-left mark": address("jane\u202e@acme.io"),
    "address in quotation marks": address('"jane doe"@acme.io'),
    "address of 255 characters": address("a" * 247 + "@acme.io", "may not be more than 254"),
    "address null": address(None, "Required value"),
    "two addresses of a member": invites(
        "addresses", [{"name": "jdoe", "address": f"{name}@acme.io"} for name in "ab"], "Duplicate value", "[1]"
    ),
    "address of nobody": invites("addresses", [{"address": "jane@acme.io"}], "Required value", "[0].name"),
    "1,001 addresses": invites(
        "addresses", [{"name": f"m{n}", "address": "a@b.io"} for n in range(1001)], "at most 1000 items"
    ),
    "unknown rule for invitations": invites("template", "x", "unknown field"),
    "reminder half an hour before": reminds(["30m"]),
    "reminder two years before": reminds(["17520h"]),
    "reminder in days": reminds(["7d"], DURATION, "[0]"),
    "reminder twice": reminds(["24h", "24h"], "Duplicate value", "[1]"),
    "six reminders": reminds([f"{n}h" for n in range(1, 7)], "at most 5 items"),
    "reminder as text": reminds("24h", "must be of type array"),
    "suspended as text": Bad({"suspended": "true"}, "spec.suspended", "must be of type boolean"),
    "suspended as a number": Bad({"suspended": 1}, "spec.suspended", "must be of type boolean"),
    "deletionProtection as text": Bad(
        {"deletionProtection": "yes"}, "spec.deletionProtection", "must be of type boolean"
    ),
    "display name of 257 characters": Bad({"displayName": "x" * 257}, "spec.displayName", "may not be more than 256"),
    "display name as a number": Bad({"displayName": 1}, "spec.displayName", "must be of type string"),
    "list of members": Bad({"members": []}, "spec.members", "unknown field"),
    "list of owners": Bad({"owners": ["olga"]}, "spec.owners", "unknown field"),
    "another namespace": Bad({"namespace": "other"}, "spec.namespace", "unknown field"),
}

SPECS: dict[str, object] = {"left out": ABSENT, "null": None, "a list": [], "text": "x", "a number": 5}

EVERYTHING: Mapping[str, Any] = {
    "displayName": "Ácme ☃ Inc.",
    "allowedEmailDomains": ["acme.io", "mail.acme-2.co.uk"],
    "deletionProtection": True,
    "roleChanges": {"whenKeysExist": "RequireAcknowledgement", "deny": [DEMOTION, {"from": "None", "to": "*"}]},
    "keys": {
        "onRoleChange": "Revoke",
        "maxPerMember": 20,
        "requireExpiry": True,
        "maxTTL": "8760h",
        "secretMetadataPrefixes": ["acme.io/", "acme.io/team-"],
    },
    "invitations": {
        "mode": "RequireAcceptance",
        "expiresAfter": "720h",
        "language": "pt-BR",
        "contact": "platform@acme.io",
        "addresses": [{"name": "jdoe", "address": "jane.o'neill+tenure@mail.acme-2.co.uk"}],
    },
    "notifications": {"roleChanged": True, "keysExpiring": ["168h", "24h"], "keysRevoked": False},
    "suspended": True,
    "suspendedMembers": [{"name": "alice", "reason": "INC-4711"}, {"name": "bob"}],
}
GOOD = {
    "nothing": ACME,
    "everything": organization(**EVERYTHING),
    "name of 63 characters": organization("a" * 63),
    "name with a dot": organization("acme.eu-2"),
    "one key": organization(keys={"maxPerMember": 1}),
    "a thousand keys": organization(keys={"maxPerMember": 1000}),
    **{f"at most {length}": organization(keys={"maxTTL": length}) for length in ("1s", "1h30m", "99999h")},
    **{f"{what} on a role change": organization(keys={"onRoleChange": what}) for what in ("Auto", "Delete", "Revoke")},
    **{
        f"{what} when keys exist": organization(roleChanges={"whenKeysExist": what})
        for what in ("Warn", "RequireAcknowledgement", "Deny")
    },
    "every transition denied": organization(roleChanges={"deny": [{"from": "*", "to": "*"}]}),
    "20 transitions denied": organization(roleChanges={"deny": [DEMOTION] * 20}),
    "50 domains": organization(allowedEmailDomains=[f"a{number}.io" for number in range(50)]),
    "1,000 members suspended": organization(suspendedMembers=[{"name": f"m{number}"} for number in range(1000)]),
    **{f"mode {mode}": organization(invitations={"mode": mode}) for mode in ("None", "Notify", "RequireAcceptance")},
    **{f"link for {length}": organization(invitations={"expiresAfter": length}) for length in ("1h", "720h", "90m")},
    "address with an umlaut": organization(invitations={"contact": "jörg@acme.io"}),
    "1,000 addresses": organization(
        invitations={"addresses": [{"name": f"m{n}", "address": f"m{n}@acme.io"} for n in range(1000)]}
    ),
    "display name of 256 characters": organization(displayName="x" * 256),
}

TWICE = json.dumps(organization(suspended=True)).replace('"suspended": true', '"suspended": true, "suspended": false')


@pytest.fixture(scope="module")
def organizations(control_plane: ControlPlane) -> Iterator[Door]:
    with door(control_plane, Organization) as organizations:
        yield organizations


@pytest.mark.parametrize("bad", rows(BAD))
def test_a_bad_spec_is_refused(organizations: Door, bad: Bad) -> None:
    organizations.refuses_spec(ACME, bad)


@pytest.mark.parametrize("spec", rows(SPECS))
def test_an_object_without_a_spec_is_refused(organizations: Door, spec: object) -> None:
    body = {field: value for field, value in {**ACME, "spec": spec}.items() if value is not ABSENT}
    says = "Required value" if spec in (ABSENT, None) else "must be of type object"

    def attempt(**params: str) -> object:
        return organizations.apply(body, **params)

    organizations.refuses(attempt, "spec", says)


@pytest.mark.parametrize("case", rows(NAMES))
def test_a_bad_name_is_refused(organizations: Door, case: tuple[str, str]) -> None:
    organizations.refuses_name(ACME, *case)


def test_a_field_twice_is_refused(organizations: Door) -> None:
    def attempt(**params: str) -> object:
        return organizations.apply_text(TWICE.encode(), "application/json", **params)

    organizations.refuses(attempt, "spec.suspended", "duplicate field")


@pytest.mark.parametrize("body", rows(GOOD))
def test_a_good_one_is_accepted(organizations: Door, body: Body) -> None:
    organizations.accepts(body)


@pytest.mark.parametrize("field", EVERYTHING)
def test_every_field_may_change(organizations: Door, field: str) -> None:
    with organizations.stored(ACME):
        for change in ({field: EVERYTHING[field]}, {field: ABSENT}):
            changed = organizations.change("acme", change)
            assert changed["spec"] == with_spec(ACME, change)["spec"]


def test_a_bad_change_of_a_full_organization_is_refused(organizations: Door) -> None:
    bad = suspended([{"name": "alice"}, {"name": "bob"}, {"name": "alice"}], "Duplicate value", "[2]")
    organizations.refuses_change(Change(organization(**EVERYTHING), bad))


def test_a_status_of_the_users_own_is_ignored(organizations: Door) -> None:
    forged = {"observedGeneration": 1, "owners": ["mallory"]}
    with organizations.stored({**ACME, "status": forged}) as stored:
        assert stored["status"] == {"observedGeneration": -1}
        replaced = organizations.replace({**stored, "status": forged})
        assert replaced["status"] == {"observedGeneration": -1}
