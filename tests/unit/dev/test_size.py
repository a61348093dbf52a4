"""Functions fit on a screen and files on a few. ruff bounds statements (PLR0915), but no rule of it bounds lines."""

import ast
from collections.abc import Iterator

from tenure_dev.paths import CHECKOUT

FUNCTION = 40
"""Lines of a function, without its docstring."""

FILE = 330

LONGER = {"operator/tenure/controller/wiring.py: wire"}
"""It only creates parts, each from those before it, so a split would pass all of them on."""


TABLES = {"bench/figures.py", "operator/tenure/domain/reasons.py"}
"""One row for each state that users see, so a split would part what belongs together."""


def modules() -> Iterator[tuple[str, str]]:
    for folder in ("operator", "dev", "tests/support", "bench"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            yield path.relative_to(CHECKOUT).as_posix(), path.read_text(encoding="utf-8")


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    return lines - len((ast.get_docstring(function, clean=False) or "").splitlines())


def long_functions(path: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > FUNCTION:
            yield f"{path}: {node.name}"


def test_functions_fit_on_a_screen() -> None:
    assert {name for path, source in modules() for name in long_functions(path, source)} == LONGER


def test_files_fit_on_a_few_screens() -> None:
    assert {path for path, source in modules() if len(source.splitlines()) > FILE} == TABLES


def test_a_long_function_is_found_and_its_docstring_does_not_count() -> None:
    body = "    pass\n" * (FUNCTION - 1)
    assert list(long_functions("a.py", f'def f():\n    """One.\n\n    Two.\n    """\n{body}')) == []
    assert list(long_functions("a.py", f"async def f():\n    pass\n{body}")) == ["a.py: f"]
