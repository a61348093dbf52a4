"""What each folder of tests takes: printed at the end of a run, and kept in CONTRIBUTING."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import pytest


def write_times(reporter: pytest.TerminalReporter) -> None:
    """Print number and seconds of each folder's tests, the longest first; nothing for a run of a few seconds."""
    reports = [one for group in reporter.stats.values() for one in group if isinstance(one, pytest.TestReport)]
    lines = list(_lines(reports))
    if len(lines) > 1:
        reporter.section("time of each folder", sep="=")
        for line in lines:
            reporter.write_line(line)


def _lines(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    seconds: defaultdict[str, float] = defaultdict(float)
    tests: Counter[str] = Counter()
    for report in reports:
        folder = "/".join(report.nodeid.partition("::")[0].split("/")[:2])
        seconds[folder] += report.duration
        tests[folder] += report.when == "call"
    for folder in sorted(seconds, key=lambda one: -seconds[one]):
        yield f"{seconds[folder]:8.1f}s  {tests[folder]:5} tests  {folder}"
