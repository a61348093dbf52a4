"""The accept page over HTTP: a look changes nothing, a form accepts, and all dead links look alike."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from support.objects.builders import membership
from support.programs.accept_page import Page, accept_page, acme, now
from tenure.domain.invitations.links import Claim, SigningKey
from tenure.mail.http.app import USES_PER_MINUTE, WRONG_PER_MINUTE

ALICE = membership("alice", role="Viewer")
ORIGIN = "http://join.acme.io"
SECONDS = 60


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with accept_page(tmp_path_factory.mktemp("keys"), acme(contact="platform@acme.io")) as page:
        yield page


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=SECONDS)


def post(url: str, form: str, **headers: str) -> requests.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(url, data={"form": form}, headers=given, timeout=SECONDS)


def form_of(answer: requests.Response) -> str:
    found = re.search(r'name="form" value="([^"]+)"', answer.text)
    assert found is not None, answer.text
    return found[1]


def test_the_page_says_who_invites_whom_to_what(page: Page) -> None:
    answer = get(page.invite(ALICE))
    assert answer.status_code == 200
    for text in ("Join Acme Inc.", "alice@acme.io is invited", "role Viewer", "view only", "ask platform@acme.io"):
        assert text in answer.text
    assert 'lang="en"' in answer.text


def test_a_program_that_follows_links_accepts_nothing(page: Page) -> None:
    url, before = page.invite(ALICE), page.held.accepted
    for method in ("GET", "HEAD", "GET", "OPTIONS"):
        requests.request(method, url, timeout=SECONDS)
    assert page.held.accepted == before
    assert get(url).status_code == 200


def test_a_form_accepts_once_and_a_second_click_gets_the_same_answer(page: Page) -> None:
    url, before = page.invite(ALICE), page.held.accepted
    form = form_of(get(url))
    first, second = post(url, form, origin=ORIGIN), post(url, form, origin=ORIGIN)
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert "Welcome to Acme Inc." in first.text
    assert page.held.accepted == before + 1
    assert get(url).status_code == 404


def test_every_dead_link_looks_alike(page: Page) -> None:
    """Unknown, foreign, expired, used, removed, changed, made up: status, body and headers."""
    good = page.invite(ALICE)
    used = membership("used")
    page.held.change(used, accepted_at=now() - timedelta(hours=1))
    changed = page.invite(membership("changed", role="Viewer"))
    page.invite(membership("changed", role="Owner", generation=2))
    removed = page.address(Claim.of(membership("removed"), now() + timedelta(hours=1)).sign([_key()]))
    dead = {
        "made up": page.address("AAAA"),
        "cut off": good[:-1],
        "of another installation": page.invite(ALICE, key=SigningKey(bytes(range(100, 132)))),
        "expired": page.invite(ALICE, life=-timedelta(seconds=1)),
        "used": page.address(Claim.of(used, now() + timedelta(hours=1)).sign([_key()])),
        "changed": changed,
        "removed": removed,
        "another path": page.address("AAAA").replace("invitations", "other"),
    }
    answers = {name: get(url) for name, url in dead.items()} | {
        f"{name} by POST": post(url, "x", origin=ORIGIN) for name, url in dead.items() if name != "another path"
    }
    seen = {name: (answer.status_code, answer.text, sorted(answer.headers)) for name, answer in answers.items()}
    assert len({str(one) for one in seen.values()}) == 1, seen.keys()
    assert (answers["used"].status_code, "ask the person who invited you" in answers["used"].text) == (404, True)
    assert get(good).status_code == 200


def _key() -> SigningKey:
    return SigningKey(bytes(range(32)))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"sec_fetch_site": "cross-site", "origin": ORIGIN}, id="of another site"),
        pytest.param({"sec_fetch_site": "same-site", "origin": ORIGIN}, id="of a neighbour"),
        pytest.param({"sec_fetch_site": "none"}, id="of no site"),
        pytest.param({"origin": "https://evil.example"}, id="an old browser, of another origin"),
        pytest.param({"origin": "null"}, id="of a hidden origin"),
    ],
)
def test_a_form_of_another_page_accepts_nothing(page: Page, headers: dict[str, str]) -> None:
    url, before = page.invite(ALICE), page.held.accepted
    answer = post(url, form_of(get(url)), **headers)
    assert (answer.status_code, page.held.accepted) == (403, before)
    assert "Nothing was changed yet" in answer.text
    assert post(url, form_of(answer), sec_fetch_site="same-origin").status_code == 200


@pytest.mark.parametrize("form", ["", "x", "1803285000.AAAA", "another's"])
def test_a_form_that_the_page_did_not_make_accepts_nothing(page: Page, form: str) -> None:
    url, before = page.invite(membership("bob")), page.held.accepted
    given = form_of(get(page.invite(ALICE))) if form == "another's" else form
    answer = post(url, given, origin=ORIGIN)
    assert (answer.status_code, page.held.accepted) == (403, before)


@pytest.mark.parametrize(
    ("body", "status"), [(b"form=" + b"a" * 5000, 413), (b"\xff\xfe", 403), (b"form=a&form=b", 403), (b"", 403)]
)
def test_a_body_that_is_no_form_accepts_nothing(page: Page, body: bytes, status: int) -> None:
    url, before = page.invite(membership("carol")), page.held.accepted
    answer = requests.post(url, data=body, headers={"origin": ORIGIN}, timeout=SECONDS)
    assert (answer.status_code, page.held.accepted) == (status, before)


def test_while_the_api_server_is_away_the_page_says_so_and_a_wrong_link_still_looks_dead(page: Page) -> None:
    url = page.invite(ALICE)
    page.held.away = True
    try:
        answer, wrong = get(url), get(page.address("AAAA"))
    finally:
        page.held.away = False
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert wrong.status_code == 404


def test_the_page_runs_no_script_and_belongs_to_no_frame_cache_or_index(page: Page) -> None:
    for answer in (get(page.invite(ALICE)), get(page.address("AAAA")), get(page.address("style.css"))):
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "<script" not in answer.text
        assert "strict-transport-security" not in answer.headers
    assert get(page.invite(ALICE)).headers["cache-control"] == "no-store"
    assert get(page.address("style.css")).headers["content-type"].startswith("text/css")


def test_markup_and_hidden_characters_in_names_are_only_text(tmp_path: Path) -> None:
    name = "<script>alert(1)</script> \u202e{role}"
    with accept_page(tmp_path, acme(display_name=name)) as page:
        answer = get(page.invite(ALICE))
    assert "<script>" not in answer.text
    assert "\u202e" not in answer.text
    assert "{role}" in answer.text, "a name isn't a template"


def test_the_language_is_the_organizations_and_a_dead_link_speaks_the_browsers(tmp_path: Path) -> None:
    with accept_page(tmp_path, acme(language="de")) as page:
        url = page.invite(ALICE)
        answer = get(url)
        assert 'lang="de"' in answer.text
        assert "Einladung annehmen" in answer.text
        assert "Willkommen bei Acme Inc." in post(url, form_of(answer), origin=ORIGIN).text
        dead = page.address("AAAA")
        assert 'lang="de"' in get(dead, **{"Accept-Language": "de-AT,de;q=0.9,en;q=0.8"}).text
        assert 'lang="en"' in get(dead, **{"Accept-Language": "fr,en;q=0.8,de"}).text
        assert 'lang="en"' in get(dead).text


def test_a_path_before_the_page_may_be_stripped_by_the_ingress_or_not(tmp_path: Path) -> None:
    with accept_page(tmp_path, acme(), prefix="/tenure", tls=True) as page:
        url = page.invite(ALICE)
        for address in (url, url.replace("/tenure", "")):
            answer = get(address)
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert 'href="style.css"' in answer.text
            assert get(address.rpartition("/")[0] + "/style.css").status_code == 200
        assert get(url.replace("/tenure", "/tenures")).status_code == 404
        assert post(url, form_of(get(url)), origin="https://join.acme.io").status_code == 200


def test_wrong_links_are_limited_and_never_slow_down_a_good_one(tmp_path: Path) -> None:
    with accept_page(tmp_path, acme()) as page:
        good = page.invite(ALICE)
        # Two minutes' worth, because a minute may begin between them.
        wrong = [get(page.address("AAAA")).status_code for _ in range(2 * WRONG_PER_MINUTE + 1)]
        assert wrong[0] == 404
        assert set(wrong) == {404, 429}
        assert get(good).status_code == 200


def test_a_dead_link_never_slows_down_the_one_in_the_newest_letter(tmp_path: Path) -> None:
    with accept_page(tmp_path, acme()) as page:
        dead = page.invite(membership("alice", role="Viewer"))
        good = page.invite(membership("alice", role="Owner", generation=2))
        assert {get(dead).status_code for _ in range(2 * USES_PER_MINUTE + 1)} == {404, 429}
        assert get(good).status_code == 200


def test_one_good_link_is_limited_too(tmp_path: Path) -> None:
    with accept_page(tmp_path, acme()) as page:
        url = page.invite(ALICE)
        statuses = {get(url).status_code for _ in range(2 * USES_PER_MINUTE + 1)}
        assert statuses == {200, 429}
        assert get(page.invite(membership("bob"))).status_code == 200
