"""A real Chromium, for pages that people read."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 120_000
"""How long a step may take on a busy machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the installed Chromium while the block runs, or skip the test if there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is missing (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=list(ARGUMENTS), headless=True, timeout=PATIENCE_MS
        )
        try:
            yield browser
        finally:
            browser.close()
