"""ApiKeys at the API server's door: what is refused, in which words, and what is accepted."""

import json
from collections.abc import Iterator

import pytest

from support.api.door import ABSENT, DURATION, NAME, NAMES, Bad, Body, Change, Door, door, rows, with_spec
from support.objects.foreseen import foreseen
from support.objects.manifests import api_key
from tenure.domain.resources import ApiKey
from tenure.domain.roles import Capability
from tenure_dev.controlplane import ControlPlane

LAPTOP = api_key("laptop", "alice")
ACCESS = 'supported values: "Full", "View"'
DATA_KEY = "must be a Secret's data key of letters, digits"
INSTANT = "date-time"
RANGE = "must be a time with its zone, for example 2027-01-31T00:00:00Z, from 1970 to 9999"


def membership(name: object, says: str) -> Bad:
    return Bad({"membership": name}, "spec.membership", says)


def access(value: object, says: str = ACCESS) -> Bad:
    return Bad({"access": value}, "spec.access", says)


def for_role(role: object, says: str = "must be one of Owner, Member, Analyst, Viewer") -> Bad:
    return Bad({"forRole": role}, "spec.forRole", says)


def ttl(length: object, says: str = DURATION) -> Bad:
    return Bad({"ttl": length}, "spec.ttl", says)


def expires(at: object, says: str = INSTANT) -> Bad:
    return Bad({"expiresAt": at}, "spec.expiresAt", says)


def revision(number: object, says: str) -> Bad:
    return Bad({"revision": number}, "spec.revision", says)


def description(text: object, says: str = "must be text on one line") -> Bad:
    return Bad({"description": text}, "spec.description", says)


def capabilities(value: object, says: str, field: str = "") -> Bad:
    return Bad({"capabilities": value}, f"spec.capabilities{field}", says)


def limits(value: object) -> Bad:
    return Bad({"capabilities": value}, "capabilities", "capabilities: can't be changed")


def template(value: object, field: str, says: str) -> Bad:
    return Bad({"secretTemplate": value}, f"spec.secretTemplate{field}", says)


def rotation(field: str, value: object, says: str, **more: object) -> Bad:
    return Bad({"rotation": {field: value, **more}}, f"spec.rotation.{field}", says)


def length(value: object) -> Bad:
    return Bad({"ttl": value}, "ttl", "ttl: can't be changed")


def end(value: object) -> Bad:
    return Bad({"expiresAt": value}, "expiresAt", "can be set or made earlier, but not later, and not removed")


def step(value: object) -> Bad:
    return Bad({"revision": value}, "revision", "can only be raised")


def unknown(field: str) -> Bad:
    return Bad({field: "x"}, f"spec.{field}", "unknown field")


BAD = {
    "membership left out": membership(ABSENT, "Required value"),
    "membership null": membership(None, "Required value"),
    "empty membership": membership("", NAME),
    "membership up a folder": membership("../other", NAME),
    "membership with a slash": membership("a/b", NAME),
    "membership in upper case": membership("Alice", NAME),
    "membership with an underscore": membership("al_ice", NAME),
    "membership and a newline": membership("alice\n", NAME),
    "membership with two dots": membership("a..b", NAME),
    "membership by e-mail address": membership("alice@acme.io", NAME),
    "membership of 64 characters": membership("a" * 64, "may not be more than 63"),
    "membership of 300 characters": membership("a" * 300, "may not be more than 63"),
    "membership of 500 kB": membership("a" * 500_000, "may not be more than 63"),
    "membership as a number": membership(1, "must be of type string"),
    "list of memberships": membership(["alice"], "must be of type string"),
    "membership as an object": membership({}, "must be of type string"),
    "access left out": access(ABSENT, "Required value"),
    "access null": access(None, "Required value"),
    "access in lower case": access("full"),
    "access and a space": access("View "),
    "empty access": access(""),
    "unknown access": access("None"),
    "access as a truth value": access(value=True),
    "two lines": description("a\nb"),
    "a tab": description("a\tb"),
    "a colour": description("\x1b[31m"),
    "a control character of C1": description("\x9b31m"),
    "a line separator": description("a\u2028b"),
    "a text from right to left": description("\u202eb"),
    "description of 257 characters": description("x" * 257, "may not be more than 256"),
    "description as a number": description(1, "must be of type string"),
    "no capability": capabilities([], "capabilities: must name at least one of clusters, billing"),
    "unknown capability": capabilities(["secrets"], 'supported values: "clusters"', "[0]"),
    "capability in upper case": capabilities(["Costs"], 'supported values: "clusters"', "[0]"),
    "any capability": capabilities(["*"], 'supported values: "clusters"', "[0]"),
    "a capability twice": capabilities(["costs", "costs"], "Duplicate value", "[1]"),
    "a null among capabilities": capabilities([None], "must be of type string", "[0]"),
    "capabilities as text": capabilities("costs", "must be of type array"),
    "capabilities with levels": capabilities({"costs": "Full"}, "unknown field"),
    "forRole in lower case": for_role("owner"),
    "forRole and a space": for_role("Viewer "),
    "empty forRole": for_role(""),
    "any role": for_role("*"),
    "no role": for_role("None"),
    "forRole as a number": for_role(1, "must be of type string"),
    "rotated every minute": rotation("every", "59m59s", "must be at least 1h"),
    "rotated every day, in days": rotation("every", "1d", DURATION),
    "overlap as long as every": rotation("overlap", "24h", "must be shorter than every", every="24h"),
    "overlap in days": rotation("overlap", "1d", DURATION),
    "request 0": rotation("request", 0, "greater than or equal to 1"),
    "request as text": rotation("request", "1", "must be of type integer"),
    "rotated after its end": Bad(
        {"ttl": "24h", "rotation": {"every": "24h"}}, "spec.rotation.every", "must be shorter than ttl"
    ),
    "no time": ttl("0s"),
    "no time in three parts": ttl("0h0m0s"),
    "days": ttl("90d"),
    "half an hour as a fraction": ttl("1.5h"),
    "negative duration": ttl("-1h"),
    "negative part": ttl("1h-30m"),
    "signed duration": ttl("+1h"),
    "empty duration": ttl(""),
    "bare number in text": ttl("90"),
    "bare unit": ttl("h"),
    "duration and a space": ttl("1h "),
    "duration and a newline": ttl("1h\n"),
    "unit in upper case": ttl("1H"),
    "ISO 8601 duration": ttl("P90D"),
    "milliseconds": ttl("100ms"),
    "unit left out": ttl("1h30"),
    "six digits": ttl("100000h"),
    "four parts": ttl("1h1m1s1h"),
    "Arabic digits": ttl("\u0661h"),
    "duration of 500 kB": ttl("1h" * 250_000, "may not be more than 18"),
    "duration as a number": ttl(3600, "must be of type string"),
    "duration as a fraction": ttl(1.5, "must be of type string"),
    "duration as a truth value": ttl(length=True, says="must be of type string"),
    "30 February": expires("2026-02-30T00:00:00Z"),
    "29 February of a common year": expires("2027-02-29T00:00:00Z"),
    "month 13": expires("2026-13-01T00:00:00Z"),
    "hour 24": expires("2026-02-28T24:00:00Z"),
    "leap second": expires("2026-12-31T23:59:60Z"),
    "date alone": expires("2026-02-28"),
    "no zone": expires("2026-02-28T00:00:00"),
    "no seconds": expires("2026-02-28T00:00Z"),
    "zone without a colon": expires("2026-02-28T00:00:00+0200"),
    "zone of 25 hours": expires("2026-02-28T00:00:00+25:00", RANGE),
    "space for the T": expires("2026-02-28 00:00:00Z"),
    "instant and a newline": expires("2026-02-28T00:00:00Z\n"),
    "year 0": expires("0000-01-01T00:00:00Z", RANGE),
    "year 1": expires("0001-01-01T00:00:00Z", RANGE),
    "year 10000": expires("10000-01-01T00:00:00Z"),
    "year 10000 by its zone": expires("9999-12-31T23:59:59-12:00", RANGE),
    "tomorrow": expires("tomorrow"),
    "duration for an instant": expires("1h"),
    "empty instant": expires(""),
    "Unix time": expires(1767225600),
    "zero": expires(0),
    "fraction": expires(1.5),
    "2 to the 63": expires(2**63),
    "truth value": expires(at=True),
    "empty list of instants": expires([], RANGE),
    "list of instants": expires(["2027-01-31T00:00:00Z"], RANGE),
    "instant as an object": expires({}),
    "revision zero": revision(0, "greater than or equal to 1"),
    "negative revision": revision(-1, "greater than or equal to 1"),
    "revision beyond a million": revision(1_000_001, "less than or equal to 1000000"),
    "revision 2 to the 63": revision(2**63, "must be of type int64"),
    "half a revision": revision(1.5, "must be of type int64"),
    "revision as text": revision("2", "must be of type integer"),
    "revision as a truth value": revision(number=True, says="must be of type int64"),
    "list of revisions": revision([2], "must be of type integer"),
    "suspended as text": Bad({"suspended": "true"}, "spec.suspended", "must be of type boolean"),
    "suspended as a number": Bad({"suspended": 1}, "spec.suspended", "must be of type boolean"),
    "template as text": template("x", "", "must be of type object"),
    "labels as a list": template({"labels": []}, ".labels", "must be of type object"),
    "label as a number": template({"labels": {"acme.io/a": 1}}, ".labels.acme.io/a", "must be of type string"),
    "label of 64 characters": template({"labels": {"acme.io/a": "x" * 64}}, ".labels.acme.io/a", "more than 63"),
    "annotation of 4 kB and one": template({"annotations": {"a.io/a": "x" * 4097}}, ".annotations", "more than 4096"),
    "21 labels": template({"labels": {f"l-{n}": "x" for n in range(21)}}, ".labels", "at most 20 items"),
    "21 annotations": template({"annotations": {f"a-{n}": "x" for n in range(21)}}, ".annotations", "at most 20"),
    "a data key with a space": template({"tokenKey": "API KEY"}, ".tokenKey", DATA_KEY),
    "a data key with a slash": template({"tokenKey": "a/b"}, ".tokenKey", DATA_KEY),
    "the folder above as a data key": template({"tokenKey": ".."}, ".tokenKey", DATA_KEY),
    "an empty data key": template({"tokenKey": ""}, ".tokenKey", DATA_KEY),
    "a data key as a number": template({"tokenKey": 1}, ".tokenKey", "must be of type string"),
    "a data key of 254 characters": template({"tokenKey": "x" * 254}, ".tokenKey", "more than 253"),
    "the Secret's type": template({"type": "Opaque"}, ".type", "unknown field"),
    "the Secret's data": template({"data": {}}, ".data", "unknown field"),
    "a key of one's own": unknown("key"),
    "a token of one's own": unknown("token"),
    "a Secret's name": unknown("secretName"),
    "another namespace": unknown("namespace"),
    "field in another case": unknown("forrole"),
    "field with an underscore": unknown("for_role"),
}

FOREVER = "2027-01-31T00:00:00Z"
WITH_TTL, EXPIRING = api_key("laptop", "alice", ttl="1h"), api_key("laptop", "alice", expiresAt=FOREVER)
VIEW, REVISED = api_key("laptop", "alice", access="View"), api_key("laptop", "alice", revision=5)
WITH_NULLS = api_key("laptop", "alice", ttl=None, expiresAt=None, revision=None)
NARROW = api_key("laptop", "alice", capabilities=["clusters", "costs"])
NEVER_CHANGES = {
    "Full becomes View": Change(LAPTOP, access("View", "access: can't be changed")),
    "View becomes Full": Change(VIEW, access("Full", "access: can't be changed")),
    "another capability": Change(NARROW, limits(["clusters", "members"])),
    "one capability more": Change(NARROW, limits(["clusters", "costs", "members"])),
    "one capability less": Change(NARROW, limits(["clusters"])),
    "capabilities become null": Change(NARROW, limits(None)),
    "capabilities are removed": Change(NARROW, limits(ABSENT)),
    "capabilities where there were none": Change(LAPTOP, limits(["clusters"])),
    "a longer ttl": Change(WITH_TTL, length("2h")),
    "a shorter ttl": Change(WITH_TTL, length("30m")),
    "the same ttl in other words": Change(WITH_TTL, length("60m")),
    "a ttl where there was none": Change(LAPTOP, length("1h")),
    "a ttl where there was a null": Change(WITH_NULLS, length("1h")),
    "ttl becomes null": Change(WITH_TTL, length(None)),
    "ttl is removed": Change(WITH_TTL, length(ABSENT)),
    "a second more": Change(EXPIRING, end("2027-01-31T00:00:01Z")),
    "an hour more by its zone": Change(EXPIRING, end("2027-01-31T00:00:00-01:00")),
    "no end": Change(EXPIRING, end(ABSENT)),
    "the end becomes null": Change(EXPIRING, end(None)),
    "the end becomes a list": Change(EXPIRING, expires([FOREVER], RANGE)),
    "a lower revision": Change(REVISED, step(4)),
    "no revision": Change(REVISED, step(ABSENT)),
    "the revision becomes null": Change(REVISED, step(None)),
}

GOOD = {
    "Full": LAPTOP,
    "View": VIEW,
    "two capabilities": NARROW,
    "all capabilities": api_key("laptop", "alice", capabilities=[*Capability]),
    "capabilities of null": api_key("laptop", "alice", capabilities=None),
    "description of 256 characters": api_key("laptop", "alice", description="é" * 256),
    "a description with quotes": api_key("laptop", "alice", description='<b>"$(x)"</b> \U0001f469\u200d\U0001f680'),
    "empty description": api_key("laptop", "alice", description=""),
    "name of 63 characters": api_key("a" * 63, "alice"),
    "name with a dot": api_key("laptop.2-b", "alice"),
    "membership of 63 characters": api_key("laptop", "a" * 63),
    "membership with a dot": api_key("laptop", "alice.b-2"),
    **{f"for {role}": api_key("laptop", "alice", forRole=role) for role in ("Owner", "Member", "Analyst", "Viewer")},
    **{
        f"ttl {text}": api_key("laptop", "alice", ttl=text)
        for text in ("1s", "1m", "8760h", "1h30m", "1h30m15s", "0h1s", "99999h", "99999h99999h99999h")
    },
    **{
        f"until {at}": api_key("laptop", "alice", expiresAt=at)
        for at in (
            FOREVER,
            "2028-02-29T00:00:00Z",
            "2027-01-31T00:00:00+02:00",
            "2027-01-31T00:00:00.123456789Z",
            "2020-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        )
    },
    "revision 1": api_key("laptop", "alice", revision=1),
    "revision a million": api_key("laptop", "alice", revision=1_000_000),
    "rotation": api_key("laptop", "alice", ttl="25h", rotation={"every": "24h", "overlap": "23h59m", "request": 1}),
    "rotation of nulls": api_key("laptop", "alice", rotation={"every": None, "overlap": None, "request": None}),
    "no rotation": api_key("laptop", "alice", ttl="1h", rotation=None),
    "no overlap": api_key("laptop", "alice", rotation={"overlap": "0s"}),
    "suspended": api_key("laptop", "alice", suspended=True),
    "labels and annotations": api_key(
        "laptop",
        "alice",
        secretTemplate={"labels": {"acme.io/team": "x" * 63}, "annotations": {"acme.io/note": "x" * 4096}},
    ),
    "another name for the token": api_key("laptop", "alice", secretTemplate={"tokenKey": "API_KEY.v-1"}),
    "everything": api_key(
        "laptop", "alice", forRole="Member", ttl="1h", expiresAt=FOREVER, revision=2, suspended=False, secretTemplate={}
    ),
}

MAY_CHANGE = {
    "the key is handed over": (LAPTOP, {"membership": "bob"}),
    "forRole is set": (LAPTOP, {"forRole": "Viewer"}),
    "forRole changes": (api_key("laptop", "alice", forRole="Member"), {"forRole": "Viewer"}),
    "forRole is removed": (api_key("laptop", "alice", forRole="Member"), {"forRole": ABSENT}),
    "the end is set": (LAPTOP, {"expiresAt": FOREVER}),
    "the end is set where there was a null": (WITH_NULLS, {"expiresAt": FOREVER}),
    "the end is brought forward": (EXPIRING, {"expiresAt": "2027-01-30T23:59:59Z"}),
    "the end is brought into the past": (EXPIRING, {"expiresAt": "2020-01-01T00:00:00Z"}),
    "the end is written in another zone": (EXPIRING, {"expiresAt": "2027-01-31T01:00:00+01:00"}),
    "the first revision is named": (LAPTOP, {"revision": 1}),
    "the revision is raised": (REVISED, {"revision": 6}),
    "the key is suspended": (LAPTOP, {"suspended": True}),
    "the key is suspended no more": (api_key("laptop", "alice", suspended=True), {"suspended": ABSENT}),
    "the template changes": (LAPTOP, {"secretTemplate": {"labels": {"acme.io/team": "core"}}}),
    "capabilities stay, in another order": (NARROW, {"capabilities": ["costs", "clusters"]}),
    "the description changes": (api_key("laptop", "alice", description="old"), {"description": "new"}),
    "the description is removed": (api_key("laptop", "alice", description="old"), {"description": ABSENT}),
    "ttl stays": (WITH_TTL, {"ttl": "1h"}),
}

TWICE = json.dumps(LAPTOP).replace('"access": "Full"', '"access": "View", "access": "Full"')


@pytest.fixture(scope="module")
def api_keys(control_plane: ControlPlane) -> Iterator[Door]:
    with door(control_plane, ApiKey) as api_keys:
        yield api_keys


@pytest.mark.parametrize("bad", rows(BAD))
def test_a_bad_spec_is_refused(api_keys: Door, bad: Bad) -> None:
    api_keys.refuses_spec(LAPTOP, bad)


@pytest.mark.parametrize("case", rows(NEVER_CHANGES))
def test_what_never_changes_stays(api_keys: Door, case: Change) -> None:
    api_keys.refuses_change(case)


@pytest.mark.parametrize("case", rows(NAMES))
def test_a_bad_name_is_refused(api_keys: Door, case: tuple[str, str]) -> None:
    api_keys.refuses_name(LAPTOP, *case)


def test_a_field_twice_is_refused(api_keys: Door) -> None:
    def attempt(**params: str) -> object:
        return api_keys.apply_text(TWICE.encode(), "application/json", **params)

    api_keys.refuses(attempt, "spec.access", "duplicate field")


@pytest.mark.parametrize("body", rows(GOOD))
def test_a_good_one_is_accepted(api_keys: Door, body: Body) -> None:
    api_keys.accepts(body)


@pytest.mark.parametrize("case", rows(MAY_CHANGE))
def test_what_may_change_changes(api_keys: Door, case: tuple[Body, Body]) -> None:
    old, change = case
    assert foreseen(ApiKey, with_spec(old, change), old) == []
    with api_keys.stored(old) as stored:
        changed = api_keys.change("laptop", change)
        assert changed["spec"] == with_spec(stored, change)["spec"]


def test_a_status_of_the_users_own_is_ignored(api_keys: Door) -> None:
    forged = {"observedGeneration": 1, "hash": "sha256:00", "keyId": "forged", "secretUID": "forged"}
    with api_keys.stored({**LAPTOP, "status": forged}) as stored:
        assert stored["status"] == {"observedGeneration": -1}
        replaced = api_keys.replace({**stored, "status": forged})
        assert replaced["status"] == {"observedGeneration": -1}
