"""Check objects by the rules of the CustomResourceDefinitions, CEL included, as the API server does.

The models check types, lengths and patterns. This module checks what only the schema says: CEL rules, the form of
times, and lists whose items mustn't repeat.
"""

import re
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError
from pydantic import TypeAdapter

from tenure.domain.resources import Resource
from tenure.domain.resources.base import RULES, DateTime
from tenure.domain.schema import custom_resource_definition

Schema = Mapping[str, Any]

_MISSING = object()
_OLD = re.compile(r"\boldSelf\b")
_FIELD = re.compile(r"[A-Za-z.]+: ")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-4]):[0-5]\d)", re.IGNORECASE | re.ASCII)
_MOMENT: TypeAdapter[datetime] = TypeAdapter(DateTime)
_DATE_TIME = "date-time"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def find_flaws(resource: type[Resource], body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the schema doesn't allow in a new object."""
    yield from _flaws(_Node(_schema(resource), body, _MISSING, ""), is_change=False)


def find_transition_flaws(resource: type[Resource], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the schema doesn't allow as a change from one object to another."""
    yield from _flaws(_Node(_schema(resource), new, old, ""), is_change=True)


def evaluate(rule: str, **values: Any) -> bool:
    """Return whether a CEL rule holds. One that can't be evaluated doesn't."""
    try:
        return bool(_program(rule).evaluate(values))
    except (CELEvalError, ValueError, OverflowError):
        return False


@dataclass(frozen=True)
class _Node:
    """A part of an object, with the part of the schema that describes it."""

    schema: Schema
    value: Any
    old: Any
    path: str

    def parts(self) -> Iterator["_Node"]:
        """Yield the fields of a map, or the items of a list."""
        if isinstance(self.value, Mapping):
            fields, rest = self.schema.get("properties", {}), self.schema.get("additionalProperties")
            old_fields = self.old if isinstance(self.old, Mapping) else {}
            for name, value in self.value.items():
                if isinstance(schema := fields.get(name, rest), Mapping):
                    path = f"{self.path}.{name}" if self.path else str(name)
                    yield _Node(schema, value, old_fields.get(name, _MISSING), path)
        elif isinstance(self.value, list):
            old_items = dict(self._keyed(self.old)) if isinstance(self.old, list) else {}
            for position, item in enumerate(self.value):
                key = self._key(item)
                old = old_items.get(key, _MISSING) if key is not None else _MISSING
                yield _Node(self.schema["items"], item, old, f"{self.path}[{position}]")

    def repeated(self) -> Iterator[str]:
        """Yield the items of a list that are there twice, where the schema doesn't allow it."""
        kind = self.schema.get("x-kubernetes-list-type")
        if kind not in ("set", "map") or not isinstance(self.value, list):
            return
        keys = [key for key, _ in self._keyed(self.value)] if kind == "map" else [repr(item) for item in self.value]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            yield f"{self.path}: {key} is there twice"

    def _keyed(self, items: list[Any]) -> Iterator[tuple[str, Any]]:
        return ((key, item) for item in items if (key := self._key(item)) is not None)

    def _key(self, item: Any) -> str | None:
        names = self.schema.get("x-kubernetes-list-map-keys")
        return ", ".join(f"{name} {item.get(name)}" for name in names) if names and isinstance(item, Mapping) else None


def _flaws(node: _Node, *, is_change: bool) -> Iterator[str]:
    if not is_change:
        yield from node.repeated()
        if node.schema.get("format") == _DATE_TIME and not _TIME.fullmatch(str(node.value)):
            yield f"{node.path}: must be a time with its zone, for example 2027-01-31T00:00:00Z"
            return
    for rule in node.schema.get(RULES, ()):
        if is_change == bool(_OLD.search(rule["rule"])) and (not is_change or node.old is not _MISSING):
            yield from _broken(rule, node)
    for part in node.parts():
        yield from _flaws(part, is_change=is_change)


def _broken(rule: Mapping[str, str], node: _Node) -> Iterator[str]:
    """Yield the message of a rule, with the path of its field, if it doesn't hold or can't be evaluated."""
    parts = {"self": node.value} if node.old is _MISSING else {"self": node.value, "oldSelf": node.old}
    try:
        holds = evaluate(rule["rule"], **{name: _cel(node.schema, value) for name, value in parts.items()})
    except ValueError:
        holds = False  # It isn't a time, which the check of its form says.
    if not holds:
        has_field = _FIELD.match(rule["message"])
        place = "spec." if has_field else f"{node.path}: "
        yield f"{place if node.path else ''}{rule['message']}."


def _cel(schema: Schema, value: Any) -> Any:
    """Return a value with the types of CEL that the schema gives it."""
    if isinstance(value, Mapping):
        fields, rest = schema.get("properties", {}), schema.get("additionalProperties")
        return celtypes.MapType(
            {celtypes.StringType(name): _cel(fields.get(name, rest) or {}, item) for name, item in value.items()}
        )
    if isinstance(value, list):
        return celtypes.ListType([_cel(schema.get("items", {}), item) for item in value])
    return _moment(value) if schema.get("format") == _DATE_TIME else json_to_cel(value)


def _moment(text: str) -> celtypes.TimestampType:
    """Return an instant. Python refuses zones that are a day away from UTC, which the models accept.

    The models in turn shorten instants outside of Python's calendar, so they are asked last.
    """
    try:
        return celtypes.TimestampType(datetime.fromisoformat(text))
    except ValueError:
        return celtypes.TimestampType(_MOMENT.validate_python(text))


def _lower_ascii(text: celtypes.StringType) -> celtypes.StringType:
    return celtypes.StringType(text.translate(_LOWER))


_FUNCTIONS: dict[str, Callable[..., Any]] = {"lowerAscii": _lower_ascii}
"""Functions that the API server has besides those of the language itself, as far as the rules use them."""


@cache
def _program(rule: str) -> celpy.Runner:
    environment = _environment()
    return environment.program(environment.compile(rule), functions=_FUNCTIONS)


@cache
def _environment() -> celpy.Environment:
    return celpy.Environment()


@cache
def _schema(resource: type[Resource]) -> Schema:
    version = custom_resource_definition(resource)["spec"]["versions"][0]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema
