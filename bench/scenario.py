"""What a scenario is, and what it works with."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from bench.api import Api
from bench.figures import Outcome
from bench.operators import Launcher
from tenure_dev.controlplane import ControlPlane


@dataclass(frozen=True)
class Size:
    """How large the scenarios are."""

    quick: bool = False
    """In small, so that everything takes seconds."""

    keys: int | None = None
    """Number of keys that was asked for, for the scenarios that can be of any size."""

    def of(self, usual: int, *, small: int) -> int:
        """The number of keys: the one that was asked for, or else the scenario's own."""
        return self.keys or (small if self.quick else usual)


@dataclass(frozen=True)
class Bench:
    """What a scenario works with."""

    plane: ControlPlane
    api: Api
    launcher: Launcher
    tell: Callable[[str], None]
    """Shows what is being done."""


@dataclass(frozen=True)
class Scenario:
    """A scenario and what it is about."""

    name: str
    title: str
    run: Callable[[Bench], AsyncGenerator[Outcome]]
