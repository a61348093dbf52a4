"""A pytest plugin that writes the outcome of each phase of a test as a JSON line, for the process that started it."""

import json
from pathlib import Path

import pytest

OPTION = "--witness"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the file to write to."""
    parser.addoption(OPTION, type=Path, required=True, help="File that gets a JSON line for each phase of a test.")


class Witness:
    """Writes the outcome of each phase of a test as soon as it is known."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a line for a phase of a test."""
        line = {"test": report.nodeid, "phase": report.when, "outcome": report.outcome}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin with the file from the option."""
    config.pluginmanager.register(Witness(config.getoption(OPTION)))
