"""The alerting rules as the chart ships them, and promtool, which checks them and plays them through."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.chart import CHART, render
from tenure_dev.tools import Tools

Body = dict[str, Any]

ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
OF_THE_API_SERVER = {
    "apiserver_admission_webhook_rejection_count": frozenset({"name", "error_type", "operation", "type"}),
    "apiserver_admission_webhook_fail_open_count": frozenset({"name", "type"}),
}
"""The API server's own counters that the rules read, with labels that they have."""

_SELECTOR = re.compile(r"(?<![\w:.])((?:tenure|apiserver)_\w+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


@dataclass(frozen=True)
class Selector:
    """A metric in an expression, with the labels that it is chosen by."""

    metric: str
    labels: frozenset[str]


@cache
def shipped(*args: str) -> Sequence[Body]:
    """The monitoring objects that the chart renders."""
    text = render(
        "--set=mail.enabled=true",
        "--set=metrics.serviceMonitor.enabled=true",
        "--set=metrics.rules.enabled=true",
        "--set=metrics.dashboard.enabled=true",
        *args,
    )
    return [body for body in yaml.load_all(text, Loader=yaml.CSafeLoader) if body]


def of_kind(kind: str, name: str, *args: str) -> Body:
    """The one of them of a kind and name."""
    (found,) = (body for body in shipped(*args) if (body["kind"], body["metadata"]["name"]) == (kind, name))
    return found


def rules(*args: str) -> list[Body]:
    """The alerting rules."""
    spec = of_kind("PrometheusRule", "tenure", *args)["spec"]
    return [rule for group in spec["groups"] for rule in group["rules"]]


def source_rules() -> list[Body]:
    """The alerting rules as the chart's file has them; reading it renders nothing, so a collection of tests may."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of the rules and of the dashboard, with where it is."""
    for rule in source_rules():
        yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def selectors(expression: str) -> list[Selector]:
    """The metrics that an expression reads."""
    return [Selector(found[1], frozenset(_MATCHER.findall(found[2] or ""))) for found in _SELECTOR.finditer(expression)]


def groupings(expression: str) -> set[str]:
    """The labels that an expression sums by."""
    return {label.strip() for found in _GROUPING.findall(expression) for label in found.split(",")}


def promtool(*args: str | Path) -> str:
    """What promtool says; it must be content."""
    command = [Tools.find_or_build().promtool, *args]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def write_rules(folder: Path) -> Path:
    """Write the shipped rules as Prometheus reads them."""
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(of_kind("PrometheusRule", "tenure")["spec"], width=1000))
    return path


def play(
    folder: Path,
    series: Mapping[str, str],
    alert: str,
    at: str,
    firing: Sequence[Mapping[str, str]],
    *,
    never: bool = False,
) -> None:
    """Play series through the rules, a value a minute; at a time, an alert must fire with these labels.

    `never`: it must not have fired before either.
    """
    expression = _alert(alert, {})
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"last_over_time({expression}[1d])" if never else expression,
                "eval_time": at,
                "exp_samples": [{"labels": _alert(alert, labels), "value": 1} for labels in firing],
            }
        ],
    }
    path = folder / "test.yaml"
    body = {"rule_files": [str(write_rules(folder))], "evaluation_interval": "1m", "tests": [test]}
    path.write_text(yaml.safe_dump(body, width=1000))
    promtool("test", "rules", path)


def _alert(name: str, labels: Mapping[str, str]) -> str:
    """The series that says that an alert fires."""
    named = {"alertname": name, "alertstate": "firing", **labels}
    return "ALERTS{" + ", ".join(f'{label}="{text}"' for label, text in named.items()) + "}"
