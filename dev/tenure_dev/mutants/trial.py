"""Run tests on the copy of the checkout, and evaluate their results."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.mutants.checkout import Copy
from tenure_dev.mutants.fault import Fault
from tenure_dev.mutants.witness import OPTION

LONGEST_SECONDS = 900.0
"""Time limit of a test run. Tests that wait for a state give up long before it."""

_TAIL = 3000
_PASSED = 0


@dataclass(frozen=True)
class Run:
    """The results of a test run.

    Attributes:
        passed: Tests that passed.
        failed: Tests whose own assertions failed, in the order of the run.
        broken: Tests that failed before or after their own code, in a fixture.
        skipped: Tests that didn't run.
        code: Exit code of pytest, or None if it was killed because it took too long.
        seconds: Duration of the run.
        output: End of the output of pytest.
    """

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    broken: tuple[str, ...]
    skipped: tuple[str, ...]
    code: int | None
    seconds: float
    output: str


@dataclass(frozen=True)
class Verdict:
    """The result of the tests of a fault.

    Attributes:
        caught_by: The test that failed, or None if none did and the fault survived.
        seconds: Duration of the test run.
        remark: Sentence that says why no test caught the fault.
    """

    caught_by: str | None
    seconds: float
    remark: str = ""


def run_tests(copy: Copy, tests: Sequence[str], scratch: Path, *, stop_at_first: bool = False) -> Run:
    """Run tests on the present state of the copy."""
    report, log = scratch / "report.jsonl", scratch / "output.log"
    report.unlink(missing_ok=True)
    report.touch()
    command = [str(copy.python), "-P", "-m", "pytest", "-p", "tenure_dev.mutants.witness", f"{OPTION}={report}"]
    command += ["-p", "no:cacheprovider", "-q", *(["-x"] if stop_at_first else []), *tests]
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=copy.root,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = _wait(process)
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]

    def having(outcome: str, *phases: str) -> tuple[str, ...]:
        found = [line["test"] for line in lines if line["outcome"] == outcome and line["phase"] in phases]
        return tuple(dict.fromkeys(found))

    return Run(
        passed=having("passed", "call"),
        failed=having("failed", "call"),
        broken=having("failed", "setup", "teardown"),
        skipped=having("skipped", "setup", "call"),
        code=code,
        seconds=time.monotonic() - began,
        output=log.read_text(encoding="utf-8", errors="replace")[-_TAIL:],
    )


def _wait(process: "subprocess.Popen[bytes]") -> int | None:
    """Wait for pytest and return its exit code, or None after the time limit.

    If the wait ends in any other way, pytest is killed with all processes that it started.
    """
    ended = False
    try:
        code = process.wait(timeout=LONGEST_SECONDS)
        ended = True
    except subprocess.TimeoutExpired:
        return None
    finally:
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return code


def check_baseline(copy: Copy, faults: Sequence[Fault], scratch: Path) -> Run:
    """Run every test that the faults name, without a fault.

    Raises:
        ToolError: a test doesn't pass or doesn't exist, so its failure with a fault would prove nothing.
    """
    named = list(dict.fromkeys(test for fault in faults for test in fault.caught_by))
    run = run_tests(copy, named, scratch)
    absent = [test for test in named if not any(_is_of(passed, test) for passed in run.passed)]
    if run.code != _PASSED or run.skipped or absent:
        missing = "".join(f"\ndidn't run or didn't pass: {test}" for test in (*run.skipped, *absent))
        raise ToolError(f"Without a fault, these tests must pass, but they don't:{missing}\n{run.output}")
    return run


def try_fault(copy: Copy, fault: Fault, scratch: Path) -> Verdict:
    """Plant a fault, run its tests until the first fails, and return the verdict."""
    with copy.with_fault(fault):
        run = run_tests(copy, fault.caught_by, scratch, stop_at_first=True)
    if run.failed:
        return Verdict(run.failed[0], run.seconds)
    if run.code is None:
        return Verdict(None, run.seconds, f"no test failed within {LONGEST_SECONDS:.0f} s")
    if run.broken:
        return Verdict(None, run.seconds, f"only a fixture of {run.broken[0]} failed, which proves no test")
    if run.code == _PASSED:
        return Verdict(None, run.seconds, "all of its tests pass")
    return Verdict(None, run.seconds, f"pytest exited with {run.code}, but no test failed:\n{run.output}")


def _is_of(node: str, named: str) -> bool:
    """Tell whether a test belongs to a name, which stands for a test, all tests of a file or all rows of a function."""
    return node == named or node.startswith((f"{named}[", f"{named}::"))
