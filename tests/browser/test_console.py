"""The role change of the console in a real Chromium, by keyboard alone, for `make e2e-console`.

It draws the pictures of the docs, too.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from support.cluster.world import World
from support.programs.browser import PATIENCE_MS, chromium
from support.programs.console_process import ConsoleProcess, console_process
from support.programs.judged import Judged
from support.programs.kubectl_tenure import PATIENCE, member_of, sample_world
from support.run.eventually import eventually
from tenure_dev.axe import find_or_fetch

SCREENSHOTS = os.environ.get("TENURE_SCREENSHOTS")
"""A folder for screenshots, such as docs/images."""

SHEET = ViewportSize(width=1100, height=480)
PHONE = ViewportSize(width=360, height=700)
ZOOMED = ViewportSize(width=550, height=400)
"""What a page of 1100 pixels has at 200 % zoom."""

VIEWS: dict[str, dict[str, Any]] = {
    "phone": {"viewport": PHONE, "color_scheme": "light"},
    "phone, dark": {"viewport": PHONE, "color_scheme": "dark"},
    "zoomed to 200 %": {"viewport": ZOOMED, "device_scale_factor": 2, "color_scheme": "light"},
}
MOST_TABS = 60


@pytest.fixture(scope="module")
def acme(judged: Judged) -> Iterator[World]:
    with sample_world(judged) as world:
        yield world


@pytest.fixture(scope="module")
def console(judged: Judged, acme: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleProcess]:
    olga = member_of(judged, acme, tmp_path_factory.mktemp("olga"), "olga", "Owner")
    with console_process(olga, f"--namespace={acme.api.namespace}") as console:
        yield console


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def opened(browser: Browser, url: str, **options: Any) -> Page:
    page = browser.new_context(**{"viewport": SHEET, "java_script_enabled": False, **options}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page


def tab_to(page: Page, role: Any, name: str) -> None:
    """Press Tab until an element has the focus."""
    wanted = page.get_by_role(role, name=name, exact=True)
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.and_(page.locator(":focus")).count():
            return
    pytest.fail(f"no Tab comes to {role} {name}")


def draw(page: Page, name: str) -> None:
    """Keep a picture of the page for the docs, if they are to be drawn anew."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"console-{name}.png", full_page=True)


def press(page: Page, role: Any, name: str, heading: str, key: str = "Enter") -> str:
    """Go to an element by Tab, press a key, and return the text of the page that this leads to."""
    tab_to(page, role, name)
    page.keyboard.press(key)
    page.get_by_role("heading", name=heading).first.wait_for()
    return page.inner_text("main")


def see_what_changes(page: Page) -> str:
    """From any page of the organization to the preview of alice's role change."""
    press(page, "link", "Members", "Members of Acme Inc.")
    press(page, "link", "alice", "alice")
    draw(page, "member")
    tab_to(page, "combobox", "New role")
    page.keyboard.type("Viewer")
    return press(page, "button", "Show what changes", "Change alice from Member to Viewer")


def hand_over(page: Page) -> None:
    """From the preview to the message that the service account has the key."""
    press(page, "link", "ci-deploy", "ci-deploy")
    draw(page, "key")
    tab_to(page, "combobox", "Hand over to")
    page.keyboard.type("ci")
    press(page, "button", "Show what changes", "Hand key ci-deploy over to ci")
    press(page, "button", "Hand key ci-deploy over to ci", "ci-deploy is handed over to ci")


def keep_and_think_better_of_it(page: Page) -> None:
    """Tick a key, see that it gets a new token, and take the tick away."""
    title = "Change alice from Member to Viewer"
    for said in ("reissued", "revoked"):
        tab_to(page, "checkbox", "laptop")
        page.keyboard.press("Space")
        press(page, "button", "Show what changes now", title)
        page.get_by_role("row", name="laptop").get_by_text(said, exact=True).wait_for()
    assert page.get_by_role("row", name="ci-deploy").get_by_text("former token revoked").count()


def change_role(page: Page) -> None:
    """From the preview to the message that alice's keys don't work any more."""
    tab_to(page, "textbox", "Tokens stop working. Type alice to confirm")
    page.keyboard.type("alice")
    said = press(page, "button", "Change alice from Member to Viewer", "alice has the role Viewer now")
    assert "These keys don't work any more: laptop." in said
    assert "The keys go on with the tokens of the members who got them: ci-deploy." in said


def invite(page: Page) -> None:
    """Invite two people from any page of the organization, and find them among the members."""
    press(page, "link", "Invite", "Invite people to Acme Inc.")
    tab_to(page, "textbox", "E-mail addresses")
    page.keyboard.type("zoe@acme.io, max@acme.io")
    press(page, "button", "Show the invitations", "Invite 2 people as Viewer")
    press(page, "button", "Invite 2 people as Viewer", "2 people invited as Viewer")
    press(page, "link", "Members", "Members of Acme Inc.")
    for name in ("zoe", "max"):
        assert page.get_by_role("row", name=name).get_by_text("Viewer", exact=True).count() == 1


def test_an_owner_changes_a_role_by_keyboard(console: ConsoleProcess, browser: Browser, acme: World) -> None:
    page = opened(browser, console.address)
    blocked: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.on("requestfailed", lambda request: blocked.append(request.url))
    page.on("request", lambda request: asked.append(request.url))
    press(page, "link", "Acme Inc.", "Members of Acme Inc.")
    draw(page, "members")
    warned = see_what_changes(page)
    assert "2 keys revoked" in warned
    assert "The cluster would accept this change." in warned
    for heard in PREVIEW_AS_HEARD:
        expect(page.get_by_role("main")).to_match_aria_snapshot(heard, timeout=PATIENCE_MS)
    draw(page, "preview")
    hand_over(page)
    acme.issue("ci-deploy", within=PATIENCE)

    def handed_over() -> bool:
        return (acme.key("ci-deploy")["status"].get("issued") or {}).get("membership") == "ci"

    eventually(handed_over, within=PATIENCE, describe="the service account has the key's new token")
    see_what_changes(page)
    keep_and_think_better_of_it(page)
    change_role(page)

    def gone() -> bool:
        return acme.api.get("apikeys", "laptop") is None and acme.api.get("secrets", "laptop") is None

    eventually(gone, within=PATIENCE, describe="her key is gone")
    assert acme.key("ci-deploy")["status"]["issued"]["membership"] == "ci", "what was handed over goes on"
    invite(page)
    assert {acme.member(name)["spec"]["role"] for name in ("zoe", "max")} == {"Viewer"}
    assert blocked == [], "the pages load nothing that their own policy forbids, or that isn't there"
    assert all(url.startswith(console.address) for url in asked), "the pages ask nobody else"


PREVIEW_AS_HEARD = (
    """
    - heading "Change alice from Member to Viewer" [level=1]
    """,
    """
    - table "What becomes of the keys":
      - rowgroup:
        - row "Key Becomes Key id Issued Last use About"
      - rowgroup:
        - row /ci-deploy revoked/
        - row /laptop revoked/
    """,
    """
    - group "Keys to keep under the role Viewer":
      - paragraph:
        - checkbox "ci-deploy"
      - paragraph:
        - checkbox "laptop"
    """,
    """
    - textbox "Tokens stop working. Type alice to confirm"
    - button "Change alice from Member to Viewer"
    """,
)
"""What a screen reader is told."""


@pytest.mark.parametrize("view", VIEWS)
def test_the_pages_are_accessible(console: ConsoleProcess, browser: Browser, acme: World, view: str) -> None:
    place = acme.api.namespace
    paths = (
        *("", f"{place}/members/", f"{place}/members/anna/", f"{place}/keys/", f"{place}/keys/cost-report/"),
        *(f"{place}/members/anna/role/?to=Viewer&keep=cost-report", f"{place}/members/anna/suspend/?reason=INC-1"),
        *(f"{place}/keys/cost-report/reissue/", f"{place}/invite/", f"{place}/members/nobody/"),
        *(f"{place}/invite/?to=Viewer&addresses=tim@acme.io", f"{place}/members/olga/role/?to=Viewer"),
    )
    page = opened(browser, console.address, java_script_enabled=True, bypass_csp=True, **VIEWS[view])
    for path in paths:
        page.goto(console.address + path)
        page.add_script_tag(path=find_or_fetch())
        found = page.evaluate("async () => (await axe.run()).violations")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{path} fits"
        if view == "phone, dark" and path.endswith("keep=cost-report"):
            draw(page, "phone-dark")
