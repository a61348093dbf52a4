"""Whom the console lets in, and which requests change objects: the matrix of origin, Host, method and form."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from support.objects.builders import api_key, issued, membership, organization, with_status
from support.objects.snapshots import ARGO, snapshot
from support.programs.console import SECONDS, SECRET, Held, Served, console, fields_of
from tenure.console.proposals import CONSOLE, MOST_ADDRESSES
from tenure.domain.resources import Membership
from tenure.errors import ApiError, ConflictError, ForbiddenError, RejectedError
from tenure.viewmodel.snapshot import Snapshot
from tenure.web_addresses import check_edit_url

ORG, OLGA = organization(), membership("olga", role="Owner")
ALICE = membership("alice")
LAPTOP = issued(api_key("laptop"), ALICE, ORG)
ROLE = "/acme/members/alice/role/"
ASKED = f"{ROLE}?to=Viewer"
Change = Callable[[dict[str, str]], Any]


def acme(alice: Membership = ALICE, **options: Any) -> Snapshot:
    return snapshot(ORG, OLGA, alice, LAPTOP, **options)


@pytest.fixture(scope="module")
def started() -> Iterator[Served]:
    with console(Held(acme)) as served:
        yield served


@pytest.fixture
def served(started: Served) -> Served:
    """Give a console in which nobody has done a thing yet."""
    started.held.made.clear()
    started.held.username = "olga@acme.io"
    return started


def at(served: Served, path: str, method: str = "GET", **headers: str) -> requests.Response:
    """Send a request below the root, so also outside of the console."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, f"http://127.0.0.1:{served.port}{path}", headers=given, timeout=SECONDS)


def test_a_form_changes_the_role_once_it_is_confirmed(served: Served) -> None:
    form = served.form(ASKED)
    assert served.held.made == [], "a look changes nothing"
    for wrong in ("", "alic", "bob"):
        answer = served.post(ROLE, {**form, "confirm": wrong})
        assert answer.status_code == 422
        assert "Type alice to confirm" in answer.text
        assert served.held.made == []
    answer = served.post(ROLE, {**form, "confirm": " alice "})
    assert answer.status_code == 200
    assert "These keys don't work any more: <strong>laptop</strong>" in answer.text
    assert "a warning" in answer.text
    (edit,) = served.held.made
    assert edit.patch is not None
    assert edit.patch["spec"] == {"role": "Viewer"}
    assert edit.patch["metadata"]["annotations"] == {"tenure.dev/acknowledge-key-deletion": "Viewer: laptop"}
    assert (edit.field_manager, edit.resource_version) == (CONSOLE, ALICE.metadata.resource_version)


@pytest.mark.parametrize(
    ("path", "kind", "name", "confirm"),
    [
        ("/acme/keys/laptop/rotate/", "ApiKey", "laptop", ""),
        ("/acme/keys/laptop/hand-over/?to=olga", "ApiKey", "laptop", ""),
        ("/acme/keys/laptop/suspend/", "ApiKey", "laptop", ""),
        ("/acme/keys/laptop/revoke/", "ApiKey", "laptop", "laptop"),
        ("/acme/keys/laptop/reissue/", "ApiKey", "laptop", "laptop"),
        ("/acme/members/alice/suspend/?reason=INC-1", "Organization", "acme", ""),
        ("/acme/suspend/", "Organization", "acme", ""),
        ("/acme/members/alice/removal/", "Membership", "alice", "alice"),
        ("/acme/invite/?to=Viewer&addresses=eve@acme.io%0Amia@acme.io", "Membership", "eve", ""),
    ],
)
def test_each_form_makes_its_change(served: Served, path: str, kind: str, name: str, confirm: str) -> None:
    page = served.get(path).text
    assert ('name="confirm"' in page) == bool(confirm)
    answer = served.post(path.partition("?")[0], {**fields_of(page), "confirm": confirm}, accept="application/json")
    assert answer.status_code == 200, answer.text
    first, *rest = served.held.made
    assert (first.kind, first.name, first.field_manager) == (kind, name, CONSOLE)
    assert [edit.name for edit in rest] == (["mia"] if "invite" in path else [])
    assert answer.json()["changes"][0]["name"] == name


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 200, id="own page"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="another port of this machine"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another website"),
        pytest.param({"Sec-Fetch-Site": "none"}, 403, id="typed"),
        pytest.param({"Origin": "http://127.0.0.1:PORT"}, 200, id="an older browser"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, 403, id="an older browser, another port"),
        pytest.param({"Origin": "null"}, 403, id="a sandboxed frame"),
        pytest.param({"Content-Type": "text/plain"}, 415, id="no form"),
        pytest.param({"Content-Type": "application/json"}, 415, id="JSON"),
        pytest.param({"Host": "evil.example"}, 421, id="DNS rebinding"),
        pytest.param({"Host": "127.0.0.1"}, 421, id="another port"),
    ],
)
def test_a_form_counts_only_from_the_consoles_own_page(served: Served, headers: dict[str, str], status: int) -> None:
    form = served.form(ASKED, confirm="alice")
    given = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    given = {name: value.replace("PORT", str(served.port)) for name, value in given.items()}
    answer = requests.post(served.address(ROLE), data=form, headers=given, timeout=SECONDS)
    assert answer.status_code == status, answer.text
    assert len(served.held.made) == (status == 200)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda form: {**form, "token": ""}, id="no token"),
        pytest.param(lambda form: {**form, "token": "é" * 64}, id="a made up token"),
        pytest.param(lambda form: {**form, "to": "Owner"}, id="another role"),
        pytest.param(lambda form: {**form, "seen": "{}"}, id="other facts"),
        pytest.param(lambda form: {**form, "reason": "none"}, id="a reason"),
        pytest.param(lambda _: {"confirm": "alice"}, id="empty"),
    ],
)
def test_a_form_that_was_altered_changes_nothing(served: Served, spoil: Change) -> None:
    answer = served.post(ROLE, spoil(served.form(ASKED, confirm="alice")))
    assert answer.status_code == 403
    assert "make this form for you" in answer.text
    assert served.held.made == []


def test_a_form_is_for_one_user_one_object_and_one_start(served: Served) -> None:
    form = served.form(ASKED, confirm="alice")
    assert served.post("/acme/members/olga/role/", form).status_code == 403
    assert served.post("/acme/members/alice/removal/", form).status_code == 403
    with console(Held(acme)) as restarted:
        assert restarted.post(ROLE, form).status_code == 403
        assert restarted.held.made == []
    served.held.username = "eve@acme.io"
    assert served.post(ROLE, form).status_code == 403
    assert served.held.made == []


def test_fields_that_are_there_twice_or_too_large_are_refused(served: Served) -> None:
    form = [*served.form(ASKED, confirm="alice").items()]
    assert served.post(ROLE, [*form, ("to", "Owner")]).status_code == 400
    assert served.post(ROLE, {"seen": "x" * 600_000}).status_code == 413
    assert served.held.made == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/acme/members/", "/acme/members/alice/", "/acme/keys/laptop/", "/style.css"])
def test_pages_that_only_show_take_no_other_method(served: Served, method: str, path: str) -> None:
    answer = at(served, f"/{SECRET}{path}", method, sec_fetch_site="same-origin")
    assert answer.status_code == 405
    assert {*answer.headers["allow"].split(", ")} == {"GET", "HEAD"}


def test_a_change_by_any_method_but_post_changes_nothing(served: Served) -> None:
    form = served.form(ASKED, confirm="alice")
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        requests.request(method, served.address(ROLE), params=form, data=form, timeout=SECONDS)
    assert served.held.made == []


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param(f"/{SECRET}/", {}, 200, id="the address"),
        pytest.param(f"/{SECRET}/", {"Sec-Fetch-Site": "none"}, 200, id="typed"),
        pytest.param(f"/{SECRET}/", {"Sec-Fetch-Site": "cross-site"}, 403, id="a link of another website"),
        pytest.param(f"/{SECRET}/", {"Sec-Fetch-Site": "same-site"}, 403, id="another port"),
        pytest.param(f"/{SECRET}/", {"Host": "evil.example:PORT"}, 421, id="rebound name"),
        pytest.param(f"/{SECRET}/", {"Host": "localhost:PORT"}, 200, id="localhost"),
        pytest.param(f"/{SECRET}/", {"Host": "LOCALHOST:PORT"}, 200, id="localhost in capitals"),
        pytest.param(f"/{SECRET}/", {"Host": "localhost.evil.example:PORT"}, 421, id="a longer name"),
        pytest.param("/", {}, 404, id="no secret"),
        pytest.param("/acme/members/", {}, 404, id="a page without the secret"),
        pytest.param(f"/{SECRET}x/", {}, 404, id="a longer secret"),
        pytest.param(f"/{SECRET[:-1]}/", {}, 404, id="a shorter secret"),
        pytest.param("/%C3%A9/", {}, 404, id="other letters"),
        pytest.param(f"/{SECRET}/style.css", {"Sec-Fetch-Site": "same-origin"}, 200, id="style sheet"),
        pytest.param(f"/{SECRET}/acme/", {}, 200, id="an organization leads to its members"),
        pytest.param(f"/{SECRET}", {}, 200, id="without the last slash"),
        pytest.param(f"/{SECRET}/%2e%2e%2f/members/", {}, 404, id="a path for a namespace"),
    ],
)
def test_only_the_browser_with_the_address_comes_in(
    served: Served, path: str, headers: dict[str, str], status: int
) -> None:
    given = {name: value.replace("PORT", str(served.port)) for name, value in headers.items()}
    answer = requests.get(f"http://127.0.0.1:{served.port}{path}", headers=given, timeout=SECONDS)
    assert answer.status_code == status
    if status != 200:
        assert "alice" not in answer.text
        assert status == 404 or SECRET not in answer.text


@pytest.mark.parametrize("path", [f"/{SECRET}/", f"/{SECRET}/style.css", f"/{SECRET}/nope/", "/", f"/{SECRET}/.json"])
def test_every_answer_has_the_headers(served: Served, path: str) -> None:
    headers = at(served, path).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("now", "field"),
    [
        pytest.param(lambda: acme(membership("alice", role="Analyst", generation=2)), "spec.role", id="another role"),
        pytest.param(lambda: acme(membership("alice", generation=3)), "generation", id="there and back"),
        pytest.param(lambda: acme(managers=ARGO), "managed by", id="taken over by a tool"),
        pytest.param(lambda: snapshot(ORG, OLGA, ALICE), "key laptop", id="a key is gone"),
        pytest.param(lambda: snapshot(ORG, OLGA), "there is no Membership", id="the member is gone"),
    ],
)
def test_a_stale_page_changes_nothing_and_says_what_changed(now: Callable[[], Snapshot], field: str) -> None:
    held = Held(acme)
    with console(held) as served:
        form = served.form(ASKED, confirm="alice")
        held.objects = now
        answer = served.post(ROLE, form)
        assert answer.status_code == 409
        assert field in answer.text
        assert f'href="../../../../{ROLE[1:]}?to=Viewer"' in answer.text
        assert held.made == []


def test_a_new_status_makes_no_page_stale() -> None:
    held = Held(acme)
    with console(held) as served:
        form = served.form(ASKED, confirm="alice")
        later = with_status(ALICE, ALICE.status.model_copy(update={"key_count": 1}))
        metadata = later.metadata.model_copy(update={"resource_version": "77"})
        held.objects = lambda: acme(later.model_copy(update={"metadata": metadata}))
        assert served.post(ROLE, form).status_code == 200
        assert [edit.resource_version for edit in held.made] == ["77"]


def test_what_a_tool_manages_is_not_changed_even_by_a_form_of_its_own() -> None:
    held = Held(lambda: acme(managers=ARGO))
    with console(held) as served:
        shown = served.get(ASKED, accept="application/json").json()
        answer = served.post(ROLE, {**shown["form"], "to": "Viewer", "confirm": "alice"})
        assert answer.status_code == 403
        assert "managed by Argo CD" in answer.text
        assert held.made == []


def test_a_read_only_console_changes_nothing() -> None:
    held = Held(acme)
    with console(held, read_only=True) as served:
        page = served.get(ASKED)
        assert page.status_code == 200
        assert "<form" not in page.text
        assert "<form" not in served.get("/acme/members/alice/").text
        form = served.get(ASKED, accept="application/json").json()["form"]
        assert served.post(ROLE, {**form, "to": "Viewer", "confirm": "alice"}).status_code == 403
        assert held.made == []


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            ForbiddenError('PATCH /apis: admission webhook "x" denied the request: olga must stay', status=403),
            403,
            "olga must stay",
        ),
        (RejectedError("PATCH /apis: it is invalid", status=422), 422, "it is invalid"),
        (ConflictError("PATCH /apis: it changed", status=409), 409, "out of date"),
    ],
)
def test_what_the_cluster_says_is_shown(error: ApiError, status: int, said: str) -> None:
    held = Held(acme, error=error)
    with console(held) as served:
        answer = served.post(ROLE, served.form(ASKED, confirm="alice"))
        assert (answer.status_code, said in answer.text) == (status, True)


def test_an_invitation_has_at_most_200_addresses(served: Served) -> None:
    addresses = ",".join(f"p{number}@acme.io" for number in range(MOST_ADDRESSES + 1))
    assert served.get(f"/acme/invite/?to=Viewer&addresses={addresses}").status_code == 400
    assert served.get("/acme/invite/?to=Viewer&addresses=").status_code == 400
    assert "not an e-mail address" in served.get("/acme/invite/?to=Viewer&addresses=nobody").text


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("https://git.example.com/x/{namespace}/{kind}/{name}.yaml", True),
        ("javascript:alert(1)//{name}", False),
        ("https://{name}.example.com/", False),
        ("https://git.example.com/{0}", False),
        ("https://git.example.com/{name.__class__}", False),
        ("https://git.example.com/{", False),
    ],
)
def test_the_address_of_files_is_a_web_address(text: str, *, fits: bool) -> None:
    if fits:
        assert check_edit_url(text) == text
    else:
        with pytest.raises(ValueError, match=r"may have|address such as"):
            check_edit_url(text)


def test_keys_to_keep_are_approved_before_the_role_changes(served: Served) -> None:
    form = served.form(ASKED, confirm="alice")
    ticked = served.post(ROLE, {**form, "keep": "laptop"})
    assert "No object was changed. This is what changes now" in ticked.text
    assert served.held.made == [], "what was ticked afterwards was never shown"
    page = served.get(f"{ASKED}&keep=laptop")
    assert "1 key reissued with a new token" in page.text
    assert 'value="laptop" checked' in page.text
    form = {**fields_of(page.text), "confirm": "alice"}
    assert "No object was changed" in served.post(ROLE, form).text, "a tick that was taken away counts, too"
    assert "No object was changed" in served.post(ROLE, {**form, "keep": "laptop", "look": "yes"}).text
    assert served.held.made == []
    answer = served.post(ROLE, {**form, "keep": "laptop"})
    assert "new ones are issued: <strong>laptop</strong>" in answer.text
    approval, change = served.held.made
    assert (approval.kind, approval.name, approval.patch) == ("ApiKey", "laptop", {"spec": {"forRole": "Viewer"}})
    assert (change.kind, approval.field_manager, change.field_manager) == ("Membership", CONSOLE, CONSOLE)
    assert change.patch is not None
    assert change.patch["metadata"]["annotations"] == {"tenure.dev/acknowledge-key-deletion": "Viewer: laptop"}
    assert served.get(f"{ASKED}&keep=nothing").status_code == 400


def test_a_letter_is_sent_again_by_a_form_and_not_by_a_look() -> None:
    invited = organization(invitations={"mode": "Notify"})
    held = Held(lambda: snapshot(invited, ALICE))
    path = "/acme/members/alice/resend/"
    with console(held) as served:
        form = served.form(path)
        assert held.asked == []
        assert served.post(path, {**form, "token": ""}).status_code == 403
        assert "Another letter to alice was asked for" in served.post(path, form).text
        assert (held.asked, held.made) == (["alice"], [])
        held.refusal = "the limit of 3 a day is reached"
        answer = served.post(path, served.form(path))
        assert (answer.status_code, held.refusal in answer.text) == (503, True)
        held.objects = lambda: snapshot(ORG, ALICE)
        assert served.get(path).status_code == 400
