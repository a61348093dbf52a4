"""The order of a whole run: folders that take long come first, unit tests fill the end."""

from collections.abc import Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]

LONG_FIRST = ("e2e", "admission", "chart", "verifier", "recovery", "observability", "gitops", "cluster", "docs")


def folder_of(path: Path) -> str:
    """The folder below `tests` that a file is in."""
    parts = path.relative_to(TESTS).parts
    return parts[0] if len(parts) > 1 else ""


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests by folder, in their given order otherwise."""

    def rank(item: pytest.Item) -> int:
        folder = folder_of(item.path)
        return LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST)

    return sorted(items, key=rank)
