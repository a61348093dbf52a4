"""A pytest plugin that tells the process that started it what became of each test, one JSON line each."""

import json
from pathlib import Path

import pytest

OPTION = "--witness"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the file to write to."""
    parser.addoption(OPTION, type=Path, required=True, help="File that gets a JSON line for each phase of a test.")


class Witness:
    """Writes down every phase of every test as soon as it is over."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a line."""
        line = {"test": report.nodeid, "phase": report.when, "outcome": report.outcome}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    config.pluginmanager.register(Witness(config.getoption(OPTION)))
