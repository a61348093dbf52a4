"""`make mutants`: plant each fault by turns, and say which test catches it."""

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
    """The faults whose name holds one of some words, all of them without any; `quick`: those that unit tests catch.

    Raises:
        ToolError: a word chooses none.
    """
    faults = [fault for fault in FAULTS if fault.is_quick or not quick]
    for word in words:
        if not any(word in fault.name for fault in faults):
            names = ", ".join(fault.name for fault in faults)
            raise ToolError(f"no planted fault has {word} in its name; there are {names}")
    return [fault for fault in faults if not words or any(word in fault.name for word in words)]


def list_faults(chosen: Sequence[Fault]) -> None:
    """Print the faults, what each takes away, and where."""
    for fault in chosen:
        print(f"{fault.name:{_NAME}} {fault.guard}  ({fault.where})")


def run_mutants(chosen: Sequence[Fault]) -> bool:
    """Plant the faults one at a time in a copy of the checkout; whether all were caught.

    Raises:
        ToolError: a fault has no place any more, or a test fails without a fault.
    """
    if not all(fault.is_quick for fault in chosen):
        find_or_build()  # Once, and not within the time that tests may take.
    with tempfile.TemporaryDirectory(prefix="tenure-mutants-") as folder:
        scratch = Path(folder).resolve()
        copy = Copy.of(CHECKOUT, scratch)
        copy.check()
        for fault in chosen:
            plant(fault, copy.package)
        baseline = check_baseline(copy, chosen, scratch)
        print(f"{len(baseline.passed)} tests pass without a fault ({baseline.seconds:.0f} s)\n", flush=True)
        _print_line("fault", "caught by", "seconds")
        survivors = [fault for fault in chosen if not _try(copy, fault, scratch)]
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} faults are caught")
    for fault in survivors:
        print(f"survived: {fault.name}. Lost unnoticed: {fault.guard}")
    return not survivors


def _try(copy: Copy, fault: Fault, scratch: Path) -> bool:
    verdict: Verdict = try_fault(copy, fault, scratch)
    _print_line(fault.name, verdict.caught_by or f"SURVIVED: {verdict.remark}", f"{verdict.seconds:.1f}")
    return verdict.caught_by is not None


def _print_line(name: str, test: str, seconds: str) -> None:
    print(f"{name:{_NAME}} {seconds:>7}  {test.removeprefix('tests/')}", flush=True)
