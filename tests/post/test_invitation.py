"""An invitation from the commit to the key: a real mail server takes the letter, and a real browser accepts."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from post.conftest import Installation
from support.objects import manifests
from support.programs.browser import PATIENCE_MS
from tenure_dev.axe import find_or_fetch

SCREENSHOTS = os.environ.get("TENURE_SCREENSHOTS")
"""A folder for screenshots, such as docs/images."""

SHEET = ViewportSize(width=680, height=640)
PHONE = ViewportSize(width=320, height=640)


def link_of(letter: dict[str, Any]) -> str:
    (link,) = set(re.findall(r"http://127\.0\.0\.1:\d+/invitations/[\w-]+", letter["Text"]))
    return str(link)


def opened(browser: Browser, url: str, **context: Any) -> Page:
    page = browser.new_context(**{"viewport": SHEET, **context}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page


def test_a_person_reads_the_letter_accepts_and_gets_the_key(installation: Installation, browser: Browser) -> None:
    world = installation.world
    letter = installation.invite("alice", "Analyst")
    world.create(manifests.api_key("laptop", "alice"))
    world.wait_reason("laptop", "InvitationPending", within=60)
    assert [one["Address"] for one in letter["To"]] == ["alice@acme.io"]
    assert "Analyst" in letter["Text"]
    assert link_of(letter) in letter["HTML"]

    page = opened(browser, link_of(letter))
    page.reload()  # As a scanner did before.
    assert page.title() == "Einladung zu Acme Inc."
    assert "acceptedAt" not in world.member("alice")["status"]["invitation"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Willkommen bei Acme Inc.").wait_for()

    world.issue("laptop", within=60)
    page.goto(link_of(letter))
    page.get_by_role("heading", name="This link doesn't work").wait_for()


def test_a_role_change_while_the_page_is_open_is_not_accepted(installation: Installation, browser: Browser) -> None:
    first = link_of(installation.invite("bob", "Viewer"))
    page = opened(browser, first)
    assert "Viewer" in page.inner_text("main")
    installation.world.change_role("bob", "Owner")
    page.get_by_role("button").click()
    page.get_by_role("heading", name="This link doesn't work").wait_for()
    assert "acceptedAt" not in installation.world.member("bob")["status"]["invitation"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [SHEET, PHONE], ids=["wide", "phone"])
def test_the_page_is_accessible(
    installation: Installation, browser: Browser, scheme: str, viewport: ViewportSize
) -> None:
    name = f"carol-{scheme}-{viewport['width']}"
    page = opened(browser, link_of(installation.invite(name, "Analyst")), color_scheme=scheme, viewport=viewport)
    script = find_or_fetch().read_text(encoding="utf-8")
    for title in ("Einladung zu", "Willkommen bei"):
        assert page.title().startswith(title)
        page.evaluate(script)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        assert [(one["id"], one["help"]) for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it needs no scrolling"
        if title == "Einladung zu":
            page.get_by_role("button").click()
            page.get_by_role("heading", name="Willkommen").wait_for()


@pytest.mark.skipif(SCREENSHOTS is None, reason="TENURE_SCREENSHOTS names no folder")
def test_the_page_is_drawn_for_the_docs(installation: Installation, browser: Browser) -> None:
    installation.world.api.patch("organizations", "acme", {"spec": {"invitations": {"language": "en"}}})
    page = opened(browser, link_of(installation.invite("alina", "Analyst")))
    page.screenshot(path=Path(str(SCREENSHOTS), "accept-page.png"))
