"""Print a page: tables and colour in a terminal, plain text in a pipe, or a document for programs.

Everything that people wrote passes through here, so no control or escape sequence and no mark that changes the
direction of text reaches a terminal.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tenure.domain.text import printable
from tenure.kubectl.formats import OutputFormat
from tenure.viewmodel.words import as_document, as_yaml

GOOD, BAD, CAREFUL, QUIET, STRONG = "green", "red", "yellow", "dim", "bold"


@dataclass(frozen=True)
class Cell:
    """A text in a table, with a colour for terminals. No meaning is in the colour alone."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Table:
    """Rows below a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]


@dataclass(frozen=True)
class Line:
    """A line of text."""

    text: str = ""
    style: str = ""


@dataclass(frozen=True)
class Code:
    """Text that people copy, such as YAML. It is never wrapped."""

    text: str


Block = Table | Line | Code


def emit(page: Any, output: OutputFormat, blocks: Callable[[], Iterable[Block]], names: Iterable[str]) -> None:
    """Print a page in a format. `names` are its objects for `-o name`."""
    match output:
        case OutputFormat.JSON:
            _write(json.dumps(as_document(page), indent=2))
        case OutputFormat.YAML:
            _write(as_yaml(as_document(page)))
        case OutputFormat.NAME:
            _write("\n".join(map(printable, names)))
        case OutputFormat.TEXT:
            show(blocks())


def show(blocks: Iterable[Block]) -> None:
    """Print blocks for people."""
    if not sys.stdout.isatty():
        _write("\n".join(line for block in blocks for line in _plain(block)))
        return
    from rich.console import Console  # noqa: PLC0415 - a pipe doesn't need it

    console = Console(highlight=False)
    for block in blocks:
        _paint(console, block)


def lines(text: str) -> str:
    """Return a text of several lines, each of which is safe to print."""
    return "\n".join(map(printable, text.splitlines()))


def say(text: str) -> None:
    """Print a message for people to standard error."""
    print(lines(text), file=sys.stderr)  # noqa: T201


def _write(text: str) -> None:
    if text:
        print(text)  # noqa: T201


def _plain(block: Block) -> Iterator[str]:
    match block:
        case Line():
            yield printable(block.text)
        case Code():
            yield lines(block.text)
        case Table():
            rows = [tuple(_cell(cell).text for cell in row) for row in (block.header, *block.rows)]
            widths = [max(len(row[column]) for row in rows) for column in range(len(block.header))]
            for row in rows:
                yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _paint(console: Any, block: Block) -> None:
    """Print a block with rich. Texts are never read as its markup."""
    from rich import box  # noqa: PLC0415 - as above
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    match block:
        case Line():
            console.print(Text(printable(block.text), style=block.style))
        case Code():
            console.print(Text(lines(block.text), style="cyan"), soft_wrap=True)
        case Table():
            table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style=STRONG)
            for name in block.header:
                table.add_column(Text(printable(name)))
            for row in block.rows:
                cells = [_cell(cell) for cell in row]
                table.add_row(*(Text(cell.text, style=cell.style) for cell in cells))
            console.print(table)


def _cell(cell: Cell | str) -> Cell:
    given = Cell(cell) if isinstance(cell, str) else cell
    return Cell(printable(given.text) or "-", given.style)
