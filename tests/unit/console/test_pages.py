"""What the console's pages show: plain words, nothing of what people wrote as markup, and at most 200 rows."""

import re
from collections.abc import Iterator
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

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=y>{{ 7*7 }}\u202eevil\x1b[31m\u200b&amp;"
ACTIVE = {"observedGeneration": 1, "conditions": [condition("Ready", HOSTILE, holds=True)], "keyCount": 2}
CHANGE = {"from": "Analyst", "to": "Member", "generation": 2, "at": format_time(NOW), "keyCount": 0, "keys": []}
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
    "/acme/keys/laptop/revoke/",
    "/acme/invite/",
    "/acme/invite/?to=Viewer&addresses=eve@acme.io,bob@acme.io",
)


def hostile(managers: Any = None) -> Snapshot:
    """An organization in which people wrote markup wherever the schema lets them, and beyond."""
    acme = organization(suspended_members=["bob"])
    acme = acme.model_copy(update={"spec": acme.spec.model_copy(update={"display_name": HOSTILE})})
    alice = membership("alice", subject=HOSTILE, status={**ACTIVE, "lastRoleChange": CHANGE})
    bob = membership("bob", role="Viewer")
    key = issued(api_key("laptop", ttl="2160h"), alice, acme)
    key = rotated(key.model_copy(update={"spec": key.spec.model_copy(update={"description": HOSTILE})}), former="old")
    return snapshot(acme, alice, bob, key, **({"managers": managers} if managers else {}))


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
    with console(Held(hostile, username=HOSTILE, verdict=verdict), edit_url="https://git.x/{name}") as served:
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


def test_a_list_has_at_most_200_rows_on_a_page() -> None:
    many = [membership(f"member-{number:04}") for number in range(2000)]
    large = snapshot(organization(), *many)
    with console(Held(lambda: large)) as served:
        first = served.get("/acme/members/")
        assert len(first.content) < 100_000
        assert first.text.count('<th scope="row">') == 200
        assert "Page 1 of 10, 2000 in all" in first.text
        last = served.get("/acme/members/?page=10").text
        assert "member-1999" in last
        assert 'rel="next"' not in last
        assert served.get("/acme/members.json?page=3").json()["members"][0]["name"] == "member-0400"
        assert served.get("/acme/members/?page=x").status_code == 400


def test_what_a_tool_manages_is_shown_and_offers_no_button() -> None:
    with console(Held(lambda: hostile(ARGO)), edit_url="https://git.x/{namespace}/{kind}/{name}.yaml") as served:
        page = served.get("/acme/members/alice/role/?to=Viewer").text
        assert "Managed by Argo CD" in page
        assert "Change it there: put these fields into its file in Git." in page
        assert 'href="https://git.x/acme/memberships/alice.yaml"' in page
        for text in ("+  role: Viewer", "kubectl patch memberships.tenure.dev alice", "apiVersion: tenure.dev/"):
            assert text in page
        assert "<form" not in page
        assert "<form" not in served.get("/acme/invite/?to=Viewer&addresses=eve@acme.io").text
        assert "<form" in served.get("/acme/keys/laptop/suspend/").text, "Git doesn't have that field, so it stays"


def test_the_verdict_is_there_word_for_word() -> None:
    said = "Rejected: alice has 1 key.\nAcknowledge it: kubectl annotate …"
    with console(Held(hostile, verdict=Verdict(allowed=False, message=said))) as served:
        page = served.get("/acme/members/alice/role/?to=Viewer").text
        assert all(f"<p>{line}</p>" in page for line in said.splitlines())
        assert "<form" not in page


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
