"""The chart's values that set options of a component, each with its type and bounds."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from tenure.options import Field, Setting, options_of
from tenure.settings import PROCESSES, ReviewSettings
from tenure_dev.paths import CHECKOUT

ARGUMENTS = Path("helm", "tenure", "files", "arguments.yaml")
SCHEMA = Path("helm", "tenure", "values.schema.json")
COMPONENTS = {
    "controller": "run",
    "webhook": "webhook",
    "verifier": "verifier",
    "mail": "mail",
    "console": "console-server",
}
"""The chart's Deployments, and the command that each runs."""

_SECTION = {"type": "object", "additionalProperties": False}


def chart_options(component: str) -> Iterator[tuple[str, Field]]:
    """Yield the options of a component that a value of the chart sets, each with the value's path."""
    for field in options_of(PROCESSES[COMPONENTS[component]]):
        serves_no_reviews = component == "controller" and field.name in ReviewSettings.__dataclass_fields__
        if isinstance(field.option, Setting) and field.option.chart and not serves_no_reviews:
            yield field.option.chart, field


def arguments() -> Mapping[str, Any]:
    """Return the options and values of each component, from which the chart's templates make its arguments."""
    return {
        component: [{"option": field.flag, "value": value} for value, field in chart_options(component)]
        for component in COMPONENTS
    }


def values_schema() -> str:
    """Return the schema of the values: that of the checkout, with the types, bounds and choices of the options."""
    schema = json.loads((CHECKOUT / SCHEMA).read_text(encoding="utf-8"))
    for value, field in (found for component in COMPONENTS for found in chart_options(component)):
        *sections, name = value.split(".")
        node = schema
        for section in sections:
            node = node["properties"].setdefault(section, _SECTION | {"properties": {}})
        node["properties"][name] = _schema_of(field, node["properties"].get(name, {}))
    return json.dumps(schema, indent=2) + "\n"


def _schema_of(field: Field, written: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(field.default, StrEnum):
        return {"enum": list(type(field.default))}
    if isinstance(field.default, int | float):
        number = "integer" if field.type is int else "number"
        return {"type": number, "minimum": field.option.min, "maximum": field.option.max}
    return written or {"type": "array" if field.is_list else "string"}
