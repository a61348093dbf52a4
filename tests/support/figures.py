"""Figures that a test measured, shown whether it passes or not."""

import sys

import pytest


def show(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Write a line to the terminal."""
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")
