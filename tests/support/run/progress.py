"""What a run says while it goes on: the name of a test that failed, and why, at the moment when it fails."""

import os
import sys

import pytest

_LINES = 60


def write_failure(report: pytest.TestReport) -> None:
    """Print a failed test's name and the end of its message, once: in the main process of a run."""
    if not report.failed or "PYTEST_XDIST_WORKER" in os.environ:
        return
    text = "\n".join(report.longreprtext.splitlines()[-_LINES:])
    print(f"\nFAILED {report.when} of {report.nodeid}\n{text}\n", file=sys.__stdout__, flush=True)
