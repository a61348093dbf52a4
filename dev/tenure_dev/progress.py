"""Show the progress of a long task on standard error, as a bar on a terminal or otherwise as occasional lines."""

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

TEXT_WIDTH = 74
"""Columns for the longest step and the percentage. The bar gets the rest."""
LINE_EVERY = 30.0
"""Seconds between two lines about the same step."""


class Report(Protocol):
    """A context manager that shows progress while its block runs."""

    def __enter__(self) -> Self:
        """Start to show the progress."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing the progress."""

    def step(self, text: str) -> None:
        """Show the name of the next step."""

    def say(self, text: str) -> None:
        """Show a line that stays."""

    def advance(self, done: int, total: int | None) -> None:
        """Show how much of all steps together is done. `total` is None while it is unknown."""


class Bar:
    """Shows one bar for all steps."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=max(8, min(24, console.width - TEXT_WIDTH))),
            TaskProgressColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("control plane", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, text: str) -> None:
        """Show the text in front of the bar."""
        self._progress.update(self._task, description=text)

    def say(self, text: str) -> None:
        """Print the text above the bar."""
        self._progress.console.print(text, highlight=False, soft_wrap=True)

    def advance(self, done: int, total: int | None) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, total=total)


class Lines:
    """Prints one line for each step, and one every 30 seconds during a step, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._text = ""
        self._printed = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def step(self, text: str) -> None:
        """Print the text."""
        self._text = text
        self._print(text)

    def say(self, text: str) -> None:
        """Print the text."""
        self._print(text)

    def advance(self, done: int, total: int | None) -> None:
        """Print the progress if the last line is 30 seconds old."""
        if time.monotonic() - self._printed >= LINE_EVERY:
            share = f"{done}" if total is None else f"{100 * done // max(total, 1)}%"
            self._print(f"{self._text}: {share}")

    def _print(self, text: str) -> None:
        self._printed = time.monotonic()
        self._console.print(text, highlight=False, soft_wrap=True)


def report() -> Report:
    """Return a bar if standard error is a terminal, or else lines."""
    console = Console(stderr=True)
    return Bar(console) if console.is_terminal else Lines(console)
