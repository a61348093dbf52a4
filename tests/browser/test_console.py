"""The role change of the console in a real Chromium, by keyboard alone, for `make e2e-console`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

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


def change_role(page: Page) -> None:
    """From the list of organizations to the message that alice's keys don't work any more."""
    tab_to(page, "link", "Acme Inc.")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Members of Acme Inc.").wait_for()
    draw(page, "members")
    tab_to(page, "link", "alice")
    page.keyboard.press("Enter")
    tab_to(page, "combobox", "New role")
    page.keyboard.type("Viewer")
    tab_to(page, "button", "Show what changes")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Change alice from Member to Viewer").wait_for()
    assert "2 keys revoked" in page.inner_text("main")
    assert "The cluster would accept this change." in page.inner_text("main")
    draw(page, "preview")
    tab_to(page, "textbox", "Tokens stop working. Type alice to confirm")
    page.keyboard.type("alice")
    tab_to(page, "button", "Change alice from Member to Viewer")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="alice has the role Viewer now").wait_for()
    assert "ci-deploy, laptop" in page.inner_text("main")


def invite(page: Page) -> None:
    """Invite two people from any page of the organization."""
    tab_to(page, "link", "Invite")
    page.keyboard.press("Enter")
    tab_to(page, "textbox", "E-mail addresses")
    page.keyboard.type("zoe@acme.io, max@acme.io")
    tab_to(page, "button", "Show the invitations")
    page.keyboard.press("Enter")
    tab_to(page, "button", "Invite 2 people as Viewer")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="2 people invited as Viewer").wait_for()


def test_an_owner_changes_a_role_by_keyboard(console: ConsoleProcess, browser: Browser, acme: World) -> None:
    page = opened(browser, console.address)
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.on("requestfailed", lambda request: blocked.append(request.url))
    change_role(page)

    def gone() -> bool:
        return all(acme.api.get("apikeys", name) is None for name in ("ci-deploy", "laptop"))

    eventually(gone, within=PATIENCE, describe="her keys are gone")
    invite(page)
    assert {acme.member(name)["spec"]["role"] for name in ("zoe", "max")} == {"Viewer"}
    assert blocked == [], "the pages load nothing that their own policy forbids, or that isn't there"


@pytest.mark.parametrize("colors", ["light", "dark"])
def test_the_pages_are_accessible_on_a_phone_too(
    console: ConsoleProcess, browser: Browser, acme: World, colors: str
) -> None:
    place = acme.api.namespace
    paths = (
        *("", f"{place}/members/", f"{place}/members/anna/", f"{place}/keys/", f"{place}/keys/cost-report/"),
        *(f"{place}/members/anna/role/?to=Viewer", f"{place}/invite/", f"{place}/members/nobody/"),
    )
    page = opened(
        browser, console.address, java_script_enabled=True, bypass_csp=True, color_scheme=colors, viewport=PHONE
    )
    for path in paths:
        page.goto(console.address + path)
        page.add_script_tag(path=find_or_fetch())
        found = page.evaluate("async () => (await axe.run()).violations")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{path} fits on a phone"
