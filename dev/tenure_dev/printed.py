"""Find the texts that Tenure's programs print, for the prose lint: string literals, field descriptions and alerts."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = ("crds/*.yaml", "helm/tenure/files/alerts.yaml")
"""Patterns of the files whose descriptions and messages are linted."""

_TEXT_KEYS = {"description", "message", "summary"}
_FEWEST_WORDS = 4
_VALUE = "code"  # Stands for a value, which is one word of its sentence.


def printed(checkout: Path) -> Iterator[tuple[Path, list[tuple[int, str]]]]:
    """Yield each file with its texts and their line numbers."""
    for path in sorted((checkout / "operator" / "tenure").rglob("*.py")):
        yield path, list(literals(path.read_text(encoding="utf-8")))
    for pattern in MANIFESTS:
        for path in sorted(checkout.glob(pattern)):
            yield path, list(_values(yaml.compose(path.read_text(encoding="utf-8"))))


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Yield the string literals of a module that may be printed, which are sentences but no docstrings."""
    yield from _sentences(ast.parse(source))


def _sentences(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return
        case ast.Constant(value=str(text)):
            yield from _sentence(node.lineno, text)
        case ast.JoinedStr(values=parts):
            texts = [str(part.value) if isinstance(part, ast.Constant) else _VALUE for part in parts]
            yield from _sentence(node.lineno, "".join(texts))
        case _:
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
