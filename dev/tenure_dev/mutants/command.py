"""`make mutants`: plant one fault after the other, and report which test catches it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tenure_dev.build import find_or_build
from tenure_dev.errors import ToolError
from tenure_dev.mutants.checkout import Copy
from tenure_dev.mutants.fault import Fault, plant
from tenure_dev.mutants.faults import FAULTS
from tenure_dev.mutants.trial import Verdict, check_baseline, try_fault
from tenure_dev.paths import CHECKOUT

_NAME = 24


def choose(words: Sequence[str], *, quick: bool = False) -> list[Fault]:
    """Return the faults whose name contains one of the words, or all faults if there are no words.

    With `quick`, only faults that unit tests catch are returned.

    Raises:
        ToolError: no fault's name contains one of the words.
    """
    faults = [fault for fault in FAULTS if fault.is_quick or not quick]
    for word in words:
        if not any(word in fault.name for fault in faults):
            names = ", ".join(fault.name for fault in faults)
            raise ToolError(f"No fault has {word!r} in its name. The faults are: {names}")
    return [fault for fault in faults if not words or any(word in fault.name for word in words)]


def list_faults(chosen: Sequence[Fault]) -> None:
    """Print the faults, each with the guard that it removes and the guard's place."""
    for fault in chosen:
        print(f"{fault.name:{_NAME}} {fault.guard}  ({fault.where})")


def run_mutants(chosen: Sequence[Fault]) -> bool:
    """Plant the faults one at a time in a copy of the checkout, and return whether tests caught all of them.

    Raises:
        ToolError: the text of a fault is no longer in the code, or a test fails without a fault.
    """
    if not all(fault.is_quick for fault in chosen):
        find_or_build()  # Before the tests, because building takes longer than they may.
    with tempfile.TemporaryDirectory(prefix="tenure-mutants-") as folder:
        scratch = Path(folder).resolve()
        copy = Copy.of(CHECKOUT, scratch)
        copy.check()
        for fault in chosen:
            plant(fault, copy.package)
        baseline = check_baseline(copy, chosen, scratch)
        print(f"Without a fault, {len(baseline.passed)} tests pass ({baseline.seconds:.0f} s)\n", flush=True)
        _print_line("fault", "caught by", "seconds")
        survivors = [fault for fault in chosen if not _try(copy, fault, scratch)]
    print(f"\nTests caught {len(chosen) - len(survivors)} of {len(chosen)} faults")
    for fault in survivors:
        print(f"survived: {fault.name}. No test protects this guard: {fault.guard}")
    return not survivors


def _try(copy: Copy, fault: Fault, scratch: Path) -> bool:
    verdict: Verdict = try_fault(copy, fault, scratch)
    _print_line(fault.name, verdict.caught_by or f"SURVIVED: {verdict.remark}", f"{verdict.seconds:.1f}")
    return verdict.caught_by is not None


def _print_line(name: str, test: str, seconds: str) -> None:
    print(f"{name:{_NAME}} {seconds:>7}  {test.removeprefix('tests/')}", flush=True)
