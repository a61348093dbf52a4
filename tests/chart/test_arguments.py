"""Every option of a process has its argument in the chart, or is left out on purpose."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tenure.cli import app
from tenure.options import Field, options_of
from tenure.settings import PROCESSES, ReviewSettings
from tenure_dev.chart import render
from tenure_dev.generate.arguments import COMPONENTS, chart_options

LEFT_OUT = {
    "controller": {field.flag for field in options_of(ReviewSettings)},
    "webhook": {"--webhook-host"},
    "verifier": {"--verifier-host"},
    "mail": {"--page-host", "--dry-run"},
    # With pass-through, the pod's own cluster is the one, and test_pods.py looks at its authority.
    "console": {"--console-host", "--api-server", "--api-server-ca-file"},
}
"""The controller's pod serves no webhooks. The others listen on all addresses."""

SHAPED = {
    "base_url": "https://join.acme.io/tenure",
    "mail_from": "Acme <tenure@acme.io>",
    "console_url": "https://acme.io/tenure",
    "issuer_url": "https://login.acme.io",
    "edit_url": "https://git.acme.io/{name}.yaml",
}
"""Texts of options that don't take just any text."""

REQUIRED = {"console.url"}
"""Values without which the chart installs nothing."""


def changed(field: Field) -> Any:
    """A value that isn't the default."""
    if field.is_list:
        return ["acme", "globex"]
    if isinstance(field.default, StrEnum):
        return list(type(field.default))[-1].value
    return SHAPED.get(field.name) or field.option.max or "30h"


def rendered(file: Path, values: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """The arguments of each component with these values."""
    file.write_text(json.dumps(values))
    bodies = [body for body in yaml.safe_load_all(render(f"--values={file}")) if body]
    return {
        body["metadata"]["labels"]["app.kubernetes.io/component"]: body["spec"]["template"]["spec"]["containers"][0][
            "args"
        ]
        for body in bodies
        if body["kind"] == "Deployment"
    }


def put(values: dict[str, Any], path: str, value: Any) -> None:
    """Set a value of the chart by its path."""
    *sections, name = path.split(".")
    for key in sections:
        values = values.setdefault(key, {})
    values[name] = value


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """Give the arguments of each component where every value that sets an option is changed."""
    values: dict[str, Any] = {
        "organizationLimits": {"maxTTL": "720h"},
        "verifier": {"tlsSecret": "certificate"},
        "certificates": {"mode": "certManager"},
        "webhook": {"clientCA": "client-authority"},
        "mail": {
            "enabled": True,
            "tlsSecret": "certificate",
            "templates": "texts",
            "smtp": {"secret": "login", "ca": "authority"},
        },
        "console": {
            "enabled": True,
            "readOnly": True,
            "formSecret": "forms",
            "tlsSecret": "certificate",
            "oidc": {"ca": "authority"},
        },
    }
    for value, field in (row for component in COMPONENTS for row in chart_options(component)):
        put(values, value, changed(field))
    return rendered(tmp_path_factory.mktemp("values") / "values.json", values)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_value_that_is_null_is_left_out(component: str, tmp_path: Path) -> None:
    console = {"enabled": True, "url": "https://console.acme.io"}
    values: dict[str, Any] = {"verifier": {"enabled": True}, "mail": {"enabled": True}, "console": console}
    nullable = [(value, field) for value, field in chart_options(component) if value not in REQUIRED]
    for value, _ in nullable:
        put(values, value, None)
    shown = rendered(tmp_path / "values.json", values)[component]
    assert not [argument for argument in shown if "nil" in argument]
    given = {argument.partition("=")[0] for argument in shown}
    # These have a default of Helm's own kind, which null doesn't take away.
    assert not given & {field.flag for _, field in nullable}, shown


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_option_is_set_or_left_out_on_purpose(arguments: Mapping[str, list[str]], component: str) -> None:
    flags = {argument.partition("=")[0].replace("--no-", "--") for argument in arguments[component][1:]}
    options = {field.flag for field in options_of(PROCESSES[COMPONENTS[component]])}
    assert options - flags == LEFT_OUT[component], "give the option a value of the chart, or leave it out here"


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_value_reaches_its_option(arguments: Mapping[str, list[str]], component: str) -> None:
    command, *args = arguments[component]
    assert command == COMPONENTS[component]
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    given = group.commands[command].make_context(command, args).params
    expected = {field.name: changed(field) for _, field in chart_options(component)}
    assert {name: given[name] for name in expected} == expected
