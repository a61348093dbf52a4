"""A planted fault, and where its text is found: by the function that holds it, in whatever file that is."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Fault:
    """A guard, and the change that takes it away.

    Attributes:
        name: What `make mutants ARGS=…` chooses it by.
        guard: What is lost with it, in one sentence.
        where: The function, method or class that holds the text, such as `Cluster.delete`; no file, since files move.
        before: The text, which must be there exactly once.
        after: The text that takes its place.
        caught_by: The tests of which one must fail, the fastest first.
    """

    name: str
    guard: str
    where: str
    before: str
    after: str
    caught_by: tuple[str, ...]

    @property
    def is_quick(self) -> bool:
        """Whether unit tests catch it, which need no control plane."""
        return all(test.startswith("tests/unit/") for test in self.caught_by)


@dataclass(frozen=True)
class Planted:
    """A file with a fault in it.

    Attributes:
        path: The file.
        text: Its text with the fault.
    """

    path: Path
    text: str


def plant(fault: Fault, package: Path) -> Planted:
    """Find a fault's place in a package and return the file with the fault in it; nothing is written.

    Raises:
        ToolError: the text isn't there exactly once, or what takes its place is no Python.
    """
    found = [
        (path, start, source)
        for path in sorted(package.rglob("*.py"))
        if fault.before in (source := path.read_text(encoding="utf-8"))
        for first, last in _spans(source, fault.where)
        for start in _occurrences(source, fault.before, first, last)
    ]
    if len(found) != 1:
        places = ", ".join(str(path.relative_to(package)) for path, _, _ in found) or "nowhere"
        raise ToolError(
            f"fault {fault.name}: its text must be in {fault.where} once, and is {len(found)} times ({places}). "
            "If the code changed, change the fault"
        )
    path, start, source = found[0]
    text = source[:start] + fault.after + source[start + len(fault.before) :]
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise ToolError(f"fault {fault.name}: with it, {path.name} is no Python ({error})") from error
    return Planted(path, text)


def _spans(source: str, where: str) -> Iterator[tuple[int, int]]:
    """Where the definitions of a name begin and end, as offsets."""
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    for name, node in _definitions(ast.parse(source), ""):
        if name == where:
            yield offsets[node.lineno - 1], offsets[node.end_lineno or node.lineno]


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield prefix + child.name, child
            yield from _definitions(child, f"{prefix}{child.name}.")
        else:
            yield from _definitions(child, prefix)


def _occurrences(source: str, text: str, first: int, last: int) -> Iterator[int]:
    start = source.find(text, first, last)
    while start >= 0:
        yield start
        start = source.find(text, start + 1, last)
