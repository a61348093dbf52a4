"""The long tests have two sizes: short in `make test`, full in `make soak`. A plugin of pytest.

What is marked `soak` is run by `make soak`, and nothing else is. It notes its figures by the fixture `figure`; they are
shown in the end, and `make soak` keeps them in `.cache/soak`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from support.run.slowness import slowness
from support.run.soak_summary import Line, write

T = TypeVar("T")
Figure = Callable[[str], None]

_FIGURE = "figure"


@dataclass
class _Run:
    """What this run was told; set before any test module is imported."""

    full: bool = False
    minutes: float = 0.0
    keys: int = 0
    seed: int = 1
    began: datetime = field(default_factory=lambda: datetime.now(UTC))


_run = _Run()


def size(*, short: T, soak: T) -> T:
    """Choose a test's size. A short one is still long enough to fail if what it tests is switched off."""
    return soak if _run.full else short


def edit_minutes(*, short: float) -> float:
    """For how many minutes random edits are made."""
    return _run.minutes if _run.full else short


def day_keys() -> int:
    """Number of keys of the day in small."""
    return _run.keys


def seed() -> int:
    """The seed of random edits: always the same in the short size, and another one each time in the full one."""
    return _run.seed if _run.full else 1


def check_promise(seconds: float, promised: float) -> None:
    """Check a duration that Tenure promises, in `make soak` only: that a machine is busy is no fault of Tenure's."""
    if _run.full:
        assert seconds <= promised


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Give a function that notes what a test measured, whether it passes or not."""
    return lambda text: request.node.user_properties.append((_FIGURE, text))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make soak` says."""
    group = parser.getgroup("soak", "long tests")
    group.addoption("--soak", action="store_true", help="Run the long tests, and no others, at their full size.")
    group.addoption("--soak-minutes", type=float, default=20.0, help="Minutes of random edits in the full size.")
    group.addoption("--soak-keys", type=int, default=50_000, help="Number of keys of the day in small.")
    group.addoption("--soak-seed", type=int, help="Seed of the random edits in the full size; without, the time is.")


def pytest_configure(config: pytest.Config) -> None:
    """Learn the size."""
    config.addinivalue_line("markers", "soak(only=False): `make soak` runs it; `only` that does, with `only=True`.")
    _run.full, _run.minutes = config.getoption("soak"), config.getoption("soak_minutes")
    _run.keys = config.getoption("soak_keys")
    _run.seed = config.getoption("soak_seed") or int(_run.began.timestamp())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not of this size."""
    chosen = [item for item in items if _is_chosen(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def _is_chosen(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("soak")
    if marker is None:
        return not _run.full
    return _run.full or not marker.kwargs.get("only")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the figures; those of a full run are kept."""
    lines = list(_lines(terminalreporter))
    for line in lines:
        for text in line.figures:
            terminalreporter.write_line(f"{line.test}: {text}")
    if _run.full and lines:
        path = write(config.rootpath, lines, began=_run.began, slowness=slowness())
        terminalreporter.write_line(f"The table is in {path}")


def _lines(reporter: pytest.TerminalReporter) -> Iterator[Line]:
    """Give a line for each test that ran, if the run is a full one, else for each that has figures."""
    for outcome in ("passed", "failed"):
        for report in reporter.stats.get(outcome, []):
            figures = tuple(text for name, text in report.user_properties if name == _FIGURE)
            if report.when == "call" and (figures or _run.full):
                yield Line(report.nodeid, outcome, report.duration, figures)
