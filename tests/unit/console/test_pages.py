"""What the console's pages show: plain words, nothing of what people wrote as markup, and at most 100 rows."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from support.objects.builders import NOW, api_key, condition, issued, membership, organization, rotated
from support.objects.snapshots import ARGO, snapshot
from support.programs.console import Held, Served, console
from tenure.domain.resources.base import format_time
from tenure.errors import UnavailableError
from tenure.viewmodel.preview import Verdict
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.timeline import EventNote, Events

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=y>{{ 7*7 }}\u202eevil\x1b[31m\u200b&amp;"
ACTIVE = {"observedGeneration": 1, "conditions": [condition("Ready", HOSTILE, holds=True)], "keyCount": 2}
CHANGE = {"from": "Analyst", "to": "Member", "generation": 2, "at": format_time(NOW), "keyCount": 0, "keys": []}
LETTER = {"sentAt": format_time(NOW), "delivery": "Sent", "message": HOSTILE}
EVENTS = Events((EventNote(NOW, HOSTILE, HOSTILE, HOSTILE),), HOSTILE)
PAGES = (
    "/",
    "/acme/members/",
    "/acme/members/alice/",
    "/acme/members/alice/role/?to=Viewer",
    "/acme/members/alice/removal/",
    "/acme/members/alice/suspend/",
    "/acme/members/bob/resume/",
    "/acme/keys/",
    "/acme/keys/laptop/",
    "/acme/keys/laptop/rotate/",
    "/acme/keys/laptop/hand-over/?to=bob",
    "/acme/keys/laptop/suspend/",
    "/acme/keys/laptop/reissue/",
    "/acme/keys/laptop/revoke/",
    "/acme/members/alice/role/?to=Viewer&keep=laptop",
    "/acme/members/alice/suspend/?reason=%3Cscript%3Ealert(1)%3C/script%3E",
    "/acme/members/alice/resend/",
    "/acme/suspend/",
    "/acme/invite/",
    "/acme/invite/?to=Viewer&addresses=eve@acme.io,bob@acme.io",
)


def hostile(managers: Any = None) -> Snapshot:
    """An organization in which people wrote markup wherever the schema lets them, and beyond."""
    acme = organization(suspended_members=["bob"], invitations={"mode": "Notify"})
    acme = acme.model_copy(update={"spec": acme.spec.model_copy(update={"display_name": HOSTILE})})
    alice = membership("alice", subject=HOSTILE, status={**ACTIVE, "lastRoleChange": CHANGE, "invitation": LETTER})
    bob = membership("bob", role="Viewer")
    key = issued(api_key("laptop", ttl="2160h"), alice, acme)
    key = rotated(key.model_copy(update={"spec": key.spec.model_copy(update={"description": HOSTILE})}), former="old")
    return snapshot(acme, alice, bob, key, **({"managers": managers} if managers else {}))


POST = '<form method="post"'


class Reader(HTMLParser):
    """Collects the elements of a page, and the attributes that could run a script or leave the page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: set[str] = set()
        self.attributes: set[str] = set()
        self.labelled: set[str] = set()
        self.fields: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names.add(tag)
        self.attributes |= {*given}
        self.links |= {str(given[name]) for name in ("href", "src", "action") if name in given}
        if tag == "label":
            self.labelled.add(str(given["for"]))
        if tag in {"input", "select", "textarea"} and given.get("type") != "hidden":
            self.fields.add(str(given.get("id")))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    verdict = Verdict(allowed=True, warnings=(HOSTILE,))
    with console(
        Held(hostile, username=HOSTILE, verdict=verdict, noted=EVENTS), edit_url="https://git.x/{name}"
    ) as served:
        yield served


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_markup_of_others_and_labels_for_all_fields(served: Served, path: str) -> None:
    answer = served.get(path)
    assert answer.status_code == 200, answer.text
    page = read(answer.text)
    assert page.names & {"script", "img", "style", "iframe", "object", "base"} == set()
    assert {name for name in page.attributes if name.startswith("on") or name == "style"} == set()
    assert {link for link in page.links if not link.startswith(("./", "../", "#main", "https://git.x/"))} == set()
    assert page.fields <= page.labelled
    assert not re.search("[\u202e\x1b\u200b]", answer.text), "marks that change how a page reads are escaped"
    assert "<script>alert(1)</script>" in page.text, "the text itself is shown"
    assert {"nav", "main", "h1"} <= page.names
    assert len(answer.content) < 100_000


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_json_too(served: Served, path: str) -> None:
    bare, _, query = path.partition("?")
    by_path = served.get(f"{bare.rstrip('/')}.json?{query}")
    by_header = served.get(path, accept="application/json")
    assert by_path.status_code == by_header.status_code == 200
    assert by_path.json() == by_header.json()
    assert by_path.headers["content-type"] == "application/json"


def test_a_name_that_ends_in_json_has_a_page_of_its_own() -> None:
    dotted = snapshot(organization(), membership("a"), membership("a.json", role="Viewer"))
    with console(Held(lambda: dotted)) as served:
        assert ">a.json <" in served.get("/acme/members/a.json/").text
        assert served.get("/acme/members/a.json").json()["member"]["name"] == "a"
        assert served.get("/acme/members/a.json.json").json()["member"]["name"] == "a.json"


def test_a_list_has_at_most_100_rows_on_a_page() -> None:
    many = [membership(f"member-{number:04}") for number in range(2000)]
    large = snapshot(organization(), *many)
    with console(Held(lambda: large)) as served:
        first = served.get("/acme/members/")
        assert len(first.content) < 100_000
        assert first.text.count('<th scope="row">') == 100
        assert "Page 1 of 20, 2000 in all" in first.text
        last = served.get("/acme/members/?page=20").text
        assert "member-1999" in last
        assert 'rel="next"' not in last
        assert served.get("/acme/members.json?page=3").json()["members"][0]["name"] == "member-0200"
        assert served.get("/acme/members/?page=x").status_code == 400


def test_what_a_tool_manages_is_shown_and_offers_no_button() -> None:
    with console(Held(lambda: hostile(ARGO)), edit_url="https://git.x/{namespace}/{kind}/{name}.yaml") as served:
        page = served.get("/acme/members/alice/role/?to=Viewer").text
        assert "Managed by Argo CD" in page
        assert "Change it there: put these fields into its file in Git." in page
        assert 'href="https://git.x/acme/memberships/alice.yaml"' in page
        for text in ("+  role: Viewer", "kubectl patch memberships.tenure.dev alice", "apiVersion: tenure.dev/"):
            assert text in page
        assert POST not in page
        kept = served.get("/acme/members/alice/role/?to=Viewer&keep=laptop").text
        assert all(
            text in kept for text in ("+  forRole: Viewer", "kubectl patch apikeys.tenure.dev laptop", "reissued")
        )
        assert POST not in kept
        assert POST not in served.get("/acme/invite/?to=Viewer&addresses=eve@acme.io").text
        for change in ("rotate", "reissue", "hand-over", "revoke"):
            assert POST not in served.get(f"/acme/keys/laptop/{change}/?to=bob").text
        assert POST in served.get("/acme/keys/laptop/suspend/").text, "Git doesn't have that field, so it stays"


def test_the_verdict_is_there_word_for_word() -> None:
    said = "Rejected: alice has 1 key.\nAcknowledge it: kubectl annotate …"
    with console(Held(hostile, verdict=Verdict(allowed=False, message=said))) as served:
        page = served.get("/acme/members/alice/role/?to=Viewer").text
        assert all(f"<p>{line}</p>" in page for line in said.splitlines())
        assert POST not in page


def test_empty_pages_say_what_to_do_next() -> None:
    bare = snapshot(organization())
    with console(Held(lambda: bare)) as served:
        assert "Invite people" in served.get("/acme/members/").text
        assert "Create an ApiKey" in served.get("/acme/keys/").text
    with console(Held(snapshot)) as served:
        assert "kubectl create -f organization.yaml" in served.get("/").text


def test_what_the_caller_may_not_see_is_said() -> None:
    hidden = snapshot(organization(), membership("alice"), hidden={"apikeys": "you may not list it"})
    with console(Held(lambda: hidden)) as served:
        assert served.get("/acme/keys/").status_code == 403
        assert "you may not list it" in served.get("/acme/keys/").text
        assert "You may not list the keys" in served.get("/acme/members/alice/").text
        assert served.get("/acme/members/nobody/").status_code == 404
        assert served.get("/other/members/").status_code == 404
        assert served.get("/acme/members/alice/role/?to=King").status_code == 400


def test_while_the_api_server_is_away_the_page_says_so() -> None:
    def away() -> Snapshot:
        raise UnavailableError("GET /apis: no answer in time")

    with console(Held(away)) as served:
        assert served.get("/acme/members/").status_code == 503
        assert served.get("/acme/members.json").json()["error"].endswith("no answer in time")


def test_times_are_relative_with_the_exact_one_as_title(served: Served) -> None:
    page = served.get("/acme/members/").text
    exact = format_time(NOW)
    assert f'<time datetime="{exact}" title="{exact}">0 s ago</time>' in page


def holding(there: Snapshot) -> Held:
    """Return a caller with these objects."""
    return Held(lambda: there)


def long(number: int, letter: str) -> str:
    """Return one of the longest names."""
    return f"{letter}{number:03}-{'x' * 63}"[:63]


LONG = [membership(long(number, "m"), subject=f"{long(number, 'm')}@{'d' * 40}.io") for number in range(200)]
FIRST = LONG[0]
LONG_KEYS = [
    issued(api_key(long(number, "k"), membership=FIRST.name, description="d" * 250, ttl="2160h"), FIRST, organization())
    for number in range(200)
]
INVITED = ",".join(f"{long(number, 'n')}@{'d' * 40}.io" for number in range(200))
HEAVY = (
    "/acme/members/",
    "/acme/keys/",
    f"/acme/members/{FIRST.name}/",
    f"/acme/members/{FIRST.name}/role/?to=Viewer",
    f"/acme/members/{FIRST.name}/removal/",
    f"/acme/keys/{LONG_KEYS[0].name}/",
    f"/acme/invite/?to=Viewer&addresses={INVITED}",
    f"/acme/invite/?to=Viewer&addresses={','.join(one.spec.subject.name for one in LONG)}",
)


@pytest.mark.parametrize("managers", [None, ARGO], ids=["by hand", "managed"])
def test_no_page_of_200_members_with_long_names_has_100_kb(managers: Any) -> None:
    large = snapshot(organization(), *LONG, *LONG_KEYS, **({"managers": managers} if managers else {}))
    with console(Held(lambda: large)) as served:
        for path in HEAVY:
            answer = served.get(path)
            assert (answer.status_code, len(answer.content) < 100_000) == (200, True), path


def test_the_history_is_of_the_record_the_tokens_and_the_events() -> None:
    record = {**CHANGE, "keyCount": 1, "keys": [{"name": "old-key", "keyId": "x", "fate": "Deleted"}]}
    letter = {"sentAt": format_time(NOW - timedelta(hours=2)), "acceptedAt": format_time(NOW - timedelta(hours=1))}
    alice = membership("alice", status={**ACTIVE, "lastRoleChange": record, "invitation": letter})
    key = issued(api_key("laptop"), alice, organization())
    notes = tuple(EventNote(NOW, reason, f"about {reason}", "tenure") for reason in ("RoleChanged", "DuplicateSubject"))
    held = Held(lambda: snapshot(organization(), alice, key), noted=Events(notes))
    with console(held) as served:
        entries = served.get("/acme/members/alice.json").json()["history"]["entries"]
        said = [entry["what"] for entry in entries]
        assert said[:2] == [
            "Role changed from Analyst to Member. Tokens that it revoked: old-key (deleted)",
            "DuplicateSubject: about DuplicateSubject",
        ]
        assert {"Invitation sent", "Invitation accepted", "Membership created"} <= {*said}
        assert any(text.endswith("of laptop issued for Member") for text in said)
        assert [entry["at"] for entry in entries] == sorted((entry["at"] for entry in entries), reverse=True)
        assert "RoleChanged: about RoleChanged" in served.get("/acme/keys/laptop/").text


def test_a_suspension_says_why_and_who_lifts_it(served: Served) -> None:
    page = served.get("/acme/members/alice/suspend/?reason=INC-7").text
    assert "+  - name: alice" in page
    assert "reason: INC-7" in page
    assert "People who may patch Organization acme can lift it" in page
    assert (
        "People who may grant the role of the key&#39;s member can lift it"
        in served.get("/acme/keys/laptop/suspend/").text
    )
    assert "INC-4711" in served.get("/acme/members/bob/").text


def test_a_reissue_names_the_tokens_that_stop_working(served: Served) -> None:
    page = served.get("/acme/keys/laptop/reissue/").text
    assert "revoke all tokens of the key, and issue a new one (spec.revision: 2)" in page
    assert "Programs that use both of its tokens" in page
    assert "+  revision: 2" in page


def test_a_member_gets_a_key_from_a_list_or_by_name_if_there_are_too_many() -> None:
    for number, field in ((5, "select"), (2000, "input")):
        many = [membership(f"member-{one:04}") for one in range(number)]
        there = snapshot(
            organization(), *many, issued(api_key("laptop", membership="member-0001"), many[1], organization())
        )
        with console(holding(there)) as served:
            assert f'<{field} id="to" name="to"' in served.get("/acme/keys/laptop/").text


def test_without_the_mail_process_the_page_has_the_command() -> None:
    with console(Held(hostile), mail=False) as served:
        page = served.get("/acme/members/alice/resend/").text
        assert "kubectl tenure invite alice -n acme --resend --mail-url" in page
        assert POST not in page
