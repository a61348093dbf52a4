"""Texts that were looked at and found good; a test fails where one changes."""

import os
from pathlib import Path

from tenure_dev.paths import CHECKOUT

FOLDER = CHECKOUT / "tests" / "golden"
REWRITE = "REWRITE_GOLDEN"
"""Variable that has them written anew, to be looked at in the diff."""


def check(path: str, text: str) -> None:
    """Compare a text with the one that was found good."""
    file = Path(FOLDER / path)
    if os.environ.get(REWRITE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert file.exists(), f"there is no {file}; run the tests with {REWRITE}=1 and look at what they wrote"
    assert text == file.read_text()
