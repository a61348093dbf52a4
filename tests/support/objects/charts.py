"""The chart's objects as Helm renders them with some values."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.chart import render

Body = dict[str, Any]


def render_values(folder: Path, values: Mapping[str, Any], *args: str) -> list[Body]:
    """Return the objects with these values."""
    file = folder / "values.json"
    file.write_text(json.dumps(values, ensure_ascii=False))
    return [body for body in yaml.load_all(render(f"--values={file}", *args), Loader=yaml.CSafeLoader) if body]


def of_kind(bodies: Iterable[Body], kind: str) -> list[Body]:
    """Return the objects of a kind."""
    return [body for body in bodies if body["kind"] == kind]


def pods_of(bodies: Iterable[Body]) -> Mapping[str, Body]:
    """Return the pods by the name of the Deployment or the pod, each with `metadata` and `spec`."""
    found = {body["metadata"]["name"]: body for body in bodies if body["kind"] in {"Deployment", "Pod"}}
    return {name: body["spec"]["template"] if body["kind"] == "Deployment" else body for name, body in found.items()}
