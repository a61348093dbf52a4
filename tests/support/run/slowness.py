"""How much slower this machine is, at the moment, than the one that the tests' deadlines are for.

A deadline tells a wait from a hang, and says nothing about Tenure: on a slower or busier machine it is longer. So
`eventually` stretches all of them, and no test has to know.
"""

import subprocess
import sys
import time
from itertools import repeat

NEVER = 120.0
"""Seconds after which an answer counts as one that doesn't come: for clients that need a bound at all."""

_PROGRAM = (
    sys.executable,
    *("-I", "-S", "-c"),
    "import hashlib\nd = b''\nfor _ in range(150_000): d = hashlib.sha256(d).digest()",
)
_PROCESSES = 2
"""As many at once as the reference has cores: what a test needs is seldom on one alone."""

_REFERENCE_SECONDS = 0.2
"""What that takes on two quiet cores: half of it to start, half to compute."""

_MOST = 10.0
"""A machine that is slower than that is better told so than waited for."""

_KEPT = 0.8
"""How much of what was measured before counts: a machine that was busy a moment ago will be again."""

_OLD_SECONDS = 120.0


class _Gauge:
    """What was measured last, and when."""

    def __init__(self) -> None:
        self._factor = 1.0
        self._due = 0.0

    def read(self) -> float:
        if time.monotonic() >= self._due:
            self.measure()
        return self._factor

    def measure(self) -> float:
        began = time.monotonic()
        running = [subprocess.Popen(program) for program in repeat(_PROGRAM, _PROCESSES)]
        for process in running:
            process.wait()
        ended = time.monotonic()
        measured = min((ended - began) / _REFERENCE_SECONDS, _MOST)
        self._factor = max(measured, self._factor * _KEPT, 1.0)
        self._due = ended + _OLD_SECONDS
        return self._factor


_gauge = _Gauge()


def slowness() -> float:
    """How many times slower than the reference this machine is, as measured two minutes ago at most; 1 at least."""
    return _gauge.read()


def slowness_now() -> float:
    """The same, measured anew."""
    return _gauge.measure()
