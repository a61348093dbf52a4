"""Running tests on the copy, and what that shows."""

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
"""How long tests may take: those that wait for a state give up long before."""

_TAIL = 3000
_PASSED = 0


@dataclass(frozen=True)
class Run:
    """What became of some tests.

    Attributes:
        passed: The tests that passed.
        failed: The tests whose own assertions failed, in their order.
        broken: The tests that failed before or after their own code, in a fixture.
        skipped: The tests that didn't run.
        code: pytest's exit code; None: it was ended, since it took too long.
        seconds: How long it took.
        output: The end of what it printed.
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
    """What a fault's tests said.

    Attributes:
        caught_by: The test that failed; None: none did, and the fault survived.
        seconds: How long it took to know.
        remark: Why it isn't caught, for people.
    """

    caught_by: str | None
    seconds: float
    remark: str = ""


def run_tests(copy: Copy, tests: Sequence[str], scratch: Path, *, stop_at_first: bool = False) -> Run:
    """Run tests on the copy as it is."""
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
    """Wait for pytest to end; whatever else ends the wait ends pytest with all that it started."""
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
        ToolError: one of them doesn't pass, or isn't there: then it would prove nothing that it fails.
    """
    named = list(dict.fromkeys(test for fault in faults for test in fault.caught_by))
    run = run_tests(copy, named, scratch)
    absent = [test for test in named if not any(_is_of(passed, test) for passed in run.passed)]
    if run.code != _PASSED or run.skipped or absent:
        missing = "".join(f"\nran not or didn't pass: {test}" for test in (*run.skipped, *absent))
        raise ToolError(f"the tests must pass without a fault, and they don't:{missing}\n{run.output}")
    return run


def try_fault(copy: Copy, fault: Fault, scratch: Path) -> Verdict:
    """Plant a fault, and see which of its tests fails first."""
    with copy.with_fault(fault):
        run = run_tests(copy, fault.caught_by, scratch, stop_at_first=True)
    if run.failed:
        return Verdict(run.failed[0], run.seconds)
    if run.code is None:
        return Verdict(None, run.seconds, f"no test failed within {LONGEST_SECONDS:.0f} s")
    if run.broken:
        return Verdict(None, run.seconds, f"only a fixture failed, of {run.broken[0]}: that shows nothing")
    if run.code == _PASSED:
        return Verdict(None, run.seconds, "all of its tests pass")
    return Verdict(None, run.seconds, f"pytest ended with {run.code} and no test failed:\n{run.output}")


def _is_of(node: str, named: str) -> bool:
    """Whether a test that ran is one of those that a name stands for: all of a file, or all rows of a function."""
    return node == named or node.startswith((f"{named}[", f"{named}::"))
