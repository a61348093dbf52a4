"""One operator for one test after another, each in a namespace of its own."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Self

import pytest

from support.api.client import fresh_namespace
from support.cluster.identity import CONTROLLER, config_of
from support.programs.operator_process import OperatorProcess
from tenure_dev.controlplane import ControlPlane

MOST_NAMESPACES = 8
"""A namespace costs the start a watch of each kind, and a look at each right."""
NO_SWEEP = "--resync=3600"
"""A test that wants to see a sweep, or to see nothing but its own requests, must not depend on how old it is."""


class SharedOperator:
    """Serves namespaces that were there before it started; once each had its test, it starts anew for others.

    A test may stop, kill or freeze it: the next one finds it running.
    """

    def __init__(self, plane: ControlPlane, folder: Path, *options: str, tests: int) -> None:
        self._plane, self._folder, self._options = plane, folder, options
        self._tests = tests
        self._starts = count(1)
        self._stack = ExitStack()
        self._free: list[str] = []

    @classmethod
    @contextmanager
    def for_tests(
        cls, request: pytest.FixtureRequest, folders: pytest.TempPathFactory, plane: ControlPlane, *options: str
    ) -> Iterator[Self]:
        """Give one to the tests for which a fixture is set up; it doesn't run before the first of them wants it."""
        users = sum(
            request.fixturename in getattr(item, "fixturenames", ()) and request.node in item.listchain()
            for item in request.session.items
        )
        shared = cls(plane, folders.mktemp("shared-operator"), *options, tests=users)
        yield shared
        shared.stop()

    def take(self) -> str:
        """Return a namespace that nobody was in, and that it serves; it runs."""
        if not self._free:
            self._renew()
        if not self.process.running:
            self.process.start()
        self._tests -= 1
        return self._free.pop()

    def give_back(self, *, spoilt: bool) -> None:
        """Say that a test is over; if it failed, whatever it did to the operator ends with that process."""
        if spoilt:
            self.process.kill()
        ended_by_test = {0, -signal.SIGKILL}
        assert self.process.running or self.process.exit_code in ended_by_test, self.process.log[-2000:]

    def stop(self) -> None:
        """Stop it, as tests must that start one for all namespaces; the next test finds it running all the same."""
        self._stack.close()
        self._free = []

    def _renew(self) -> None:
        self.stop()
        number = min(max(self._tests, 1), MOST_NAMESPACES)
        self._free = [self._stack.enter_context(fresh_namespace(self._plane)).namespace for _ in range(number)]
        served = [f"--namespace={name}" for name in self._free]
        log = self._folder / f"operator-{next(self._starts)}.log"
        self.process = OperatorProcess(config_of(self._plane, CONTROLLER), log, *served, *self._options)
        self._stack.enter_context(self.process)
