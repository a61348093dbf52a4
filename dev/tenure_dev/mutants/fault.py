"""A planted fault. Its place in the code is found by the name of the function, so the function may move to any file."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Fault:
    """A guard, and the change of the code that removes it.

    Attributes:
        name: Name by which `make mutants ARGS=…` selects it.
        guard: What the guard protects, in one sentence.
        where: The function, method or class with the text, such as `Cluster.delete`. It isn't a file, because files
            move.
        before: The text to replace. It must be there exactly once.
        after: The text that replaces it.
        caught_by: Tests of which at least one must fail, the fastest first.
    """

    name: str
    guard: str
    where: str
    before: str
    after: str
    caught_by: tuple[str, ...]

    @property
    def is_quick(self) -> bool:
        """Whether unit tests catch the fault, so that no control plane is needed."""
        return all(test.startswith("tests/unit/") for test in self.caught_by)


@dataclass(frozen=True)
class Planted:
    """A file with a planted fault.

    Attributes:
        path: Path of the file.
        text: Text of the file with the fault.
    """

    path: Path
    text: str


def plant(fault: Fault, package: Path) -> Planted:
    """Find a fault's place in a package, and return the file with the fault. No file is written.

    Raises:
        ToolError: the text isn't there exactly once, or the result isn't valid Python.
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
            f"fault {fault.name}: its text must occur once in {fault.where}, but occurs {len(found)} times ({places}). "
            "If you changed the code, change the fault too"
        )
    path, start, source = found[0]
    text = source[:start] + fault.after + source[start + len(fault.before) :]
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise ToolError(f"fault {fault.name}: {path.name} with this fault isn't valid Python ({error})") from error
    return Planted(path, text)


def _spans(source: str, where: str) -> Iterator[tuple[int, int]]:
    """Yield the first and last offset of each definition of a name."""
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
