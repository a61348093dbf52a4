"""The accept page in a real browser: by keyboard, without scripts, in a narrow window, below a path."""

from pathlib import Path

from playwright.sync_api import ViewportSize

from support.objects.builders import membership
from support.programs.accept_page import accept_page, acme
from support.programs.browser import PATIENCE_MS, chromium

ALICE = membership("alice", role="Viewer")
PHONE = ViewportSize(width=320, height=640)


def test_a_person_accepts_by_keyboard_on_a_phone_without_scripts(tmp_path: Path) -> None:
    organization = acme(language="de", contact="platform@acme.io")
    with accept_page(tmp_path, organization, prefix="/tenure") as served, chromium() as browser:
        # As the ingress does, which people reach by that name.
        context = browser.new_context(viewport=PHONE, java_script_enabled=False, color_scheme="dark")
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        blocked: list[str] = []
        page.on("console", lambda message: blocked.append(message.text))
        page.on("requestfailed", lambda request: blocked.append(request.url))
        url = served.invite(ALICE)
        for _ in range(2):
            page.goto(url)
        assert page.title() == "Einladung zu Acme Inc."
        assert served.held.accepted == 0
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Willkommen bei Acme Inc.").wait_for()
        assert served.held.accepted == 1
        assert blocked == [], "the page loads nothing that its own policy forbids, or that isn't there"
        page.goto(url)
        page.get_by_role("heading", name="This link doesn't work").wait_for()
        context.close()
