"""Find the texts that Tenure's programs and these tools print, for the prose lint.

They are string literals, the help of commands and of make's targets, field descriptions and alerts.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = ("crds/*.yaml", "helm/tenure/files/alerts.yaml")
"""Patterns of the files whose descriptions and messages are linted."""

SOURCES = ("operator/tenure/**/*.py", "dev/tenure_dev/**/*.py")
"""Patterns of the modules whose string literals and commands' docstrings are linted."""

_LINES = {"Makefile": re.compile(r"^[a-z0-9-]+:.*## (.*)"), "dev/*": re.compile(r'\becho "(.*?)"')}
"""Patterns of the other files that print, each with the expression for a line that does."""

_TEXT_KEYS = {"description", "message", "summary"}
_FEWEST_WORDS = 4
_VALUE = "code"  # Stands for a value, which is one word of its sentence.


def printed(checkout: Path) -> Iterator[tuple[Path, list[tuple[int, str]]]]:
    """Yield each file with its texts and their line numbers."""
    for path in _files(checkout, *SOURCES):
        yield path, list(literals(path.read_text(encoding="utf-8")))
    for pattern, expression in _LINES.items():
        for path in _files(checkout, pattern):
            lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
            yield path, [(number, text) for number, line in lines for text in expression.findall(line)]
    for path in _files(checkout, *MANIFESTS):
        yield path, list(_values(yaml.compose(path.read_text(encoding="utf-8"))))


def _files(checkout: Path, *patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        yield from (path for path in sorted(checkout.glob(pattern)) if path.is_file())


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Yield the string literals of a module that may be printed: sentences, but docstrings only of commands."""
    yield from _sentences(ast.parse(source))


def _sentences(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return
        case ast.FunctionDef(decorator_list=[ast.Call(func=ast.Attribute(attr="command")), *_]):
            yield from _sentence(node.lineno, ast.get_docstring(node) or "")
            yield from _children(node)
        case ast.Constant(value=str(text)):
            yield from _sentence(node.lineno, text)
        case ast.JoinedStr(values=parts):
            texts = [str(part.value) if isinstance(part, ast.Constant) else _VALUE for part in parts]
            yield from _sentence(node.lineno, "".join(texts))
        case _:
            yield from _children(node)


def _children(node: ast.AST) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(node):
        yield from _sentences(child)


def _sentence(line: int, text: str) -> Iterator[tuple[int, str]]:
    # Expressions of CEL and PromQL, patterns and scripts have one of these marks.
    if len(text.split()) >= _FEWEST_WORDS and not any(mark in text for mark in ("==", "&&", "::", "$")):
        yield line, text


def _values(node: Any) -> Iterator[tuple[int, str]]:
    match node:
        case yaml.MappingNode(value=pairs):
            for key, value in pairs:
                if key.value in _TEXT_KEYS and isinstance(value, yaml.ScalarNode):
                    yield value.start_mark.line + 1, value.value
                else:
                    yield from _values(value)
        case yaml.SequenceNode(value=items):
            for item in items:
                yield from _values(item)
