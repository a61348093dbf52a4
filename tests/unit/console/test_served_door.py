"""The door of a console behind a login: its Host and path, links of other websites, and forms of its own pages."""

from collections.abc import Iterator

import pytest
import requests

from support.objects.builders import membership, organization
from support.objects.snapshots import snapshot
from support.programs.console import SECONDS, Held, Served, console, fields_of
from tenure.errors import UnauthorizedError

HOST, URL = "acme.test", "https://acme.test/tenure"
ROLE = "/tenure/acme/members/alice/role/"
ALICE = membership("alice")
LINKED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with console(Held(lambda: snapshot(organization(), membership("olga", role="Owner"), ALICE)), url=URL) as served:
        yield served


def send(served: Served, method: str, path: str, headers: dict[str, str], **data: str) -> requests.Response:
    return requests.request(
        method,
        f"http://127.0.0.1:{served.port}{path}",
        headers={"Host": HOST, **headers},
        data=data,
        timeout=SECONDS,
        allow_redirects=False,
    )


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/tenure/", {}, 200, id="the address"),
        pytest.param("/tenure", {}, 303, id="without the last slash"),
        pytest.param("/tenure/", {"Host": "ACME.test"}, 200, id="capitals"),
        pytest.param("/tenure/", {"Host": "evil.example"}, 421, id="another host"),
        pytest.param("/tenure/", {"Host": "acme.test:8080"}, 421, id="another port"),
        pytest.param("/tenure/", {"Host": "evil.example", "X-Forwarded-Host": HOST}, 421, id="a forwarded host"),
        pytest.param("/", {}, 404, id="without the prefix"),
        pytest.param("/tenurex/", {}, 404, id="a longer prefix"),
        pytest.param("/tenure/../tenure/", {}, 404, id="dots"),
        pytest.param("/tenure/", LINKED, 200, id="a link of another website, or a login"),
        pytest.param("/tenure/", {**LINKED, "Sec-Fetch-Dest": "iframe"}, 403, id="a frame"),
        pytest.param("/tenure/", {**LINKED, "Sec-Fetch-Mode": "no-cors"}, 403, id="an image"),
        pytest.param("/tenure/.json", {**LINKED, "Sec-Fetch-Dest": "empty"}, 403, id="a script"),
    ],
)
def test_only_requests_for_its_address_come_in(served: Served, path: str, headers: dict[str, str], status: int) -> None:
    session = requests.Request("GET", f"http://127.0.0.1:{served.port}", headers={"Host": HOST, **headers}).prepare()
    session.url = f"http://127.0.0.1:{served.port}{path}"
    assert requests.Session().send(session, timeout=SECONDS, allow_redirects=False).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 200, id="own page"),
        pytest.param({"Origin": "https://acme.test"}, 200, id="an older browser"),
        pytest.param(LINKED, 403, id="a form of another website"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="another host of the domain"),
        pytest.param({"Sec-Fetch-Site": "none"}, 403, id="typed"),
        pytest.param({"Origin": "http://acme.test"}, 403, id="without TLS"),
        pytest.param({"Origin": "null"}, 403, id="a sandboxed frame"),
    ],
)
def test_a_form_counts_only_from_its_own_pages(served: Served, headers: dict[str, str], status: int) -> None:
    served.held.made.clear()
    form = fields_of(send(served, "GET", f"{ROLE}?to=Viewer", {}).text)
    assert send(served, "POST", ROLE, headers, **form).status_code == status
    assert len(served.held.made) == (status == 200)


def test_links_stay_below_the_prefix(served: Served) -> None:
    text = send(served, "GET", "/tenure/acme/members/", {}).text
    assert 'href="../../style.css"' in text
    assert 'href="/' not in text
    assert send(served, "GET", "/tenure", {}).headers["location"] == "/tenure/"


def test_a_token_that_expires_while_a_change_is_made_loses_no_form(served: Served) -> None:
    served.held.made.clear()
    form = fields_of(send(served, "GET", f"{ROLE}?to=Viewer", {}).text)
    served.held.error = UnauthorizedError("PATCH /apis: Unauthorized", status=401)
    answer = send(served, "POST", ROLE, {"Sec-Fetch-Site": "same-origin"}, **form)
    served.held.error = None
    assert answer.status_code == 401
    assert "this page keeps what you entered" in answer.text
    assert fields_of(answer.text) == form
    again = send(served, "POST", ROLE, {"Sec-Fetch-Site": "same-origin"}, **fields_of(answer.text))
    assert (again.status_code, len(served.held.made)) == (200, 1)
    assert send(served, "POST", ROLE, LINKED, confirm="<b>x").status_code == 403, "nobody else has it repeat a text"
