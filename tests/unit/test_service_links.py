"""The variables that the kubelet makes of Services are no settings, whatever the Services are called."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from tenure.environment import drop_service_links, refuse_unknown_variables
from tenure.options import variables_of
from tenure.settings import PROCESSES
from tenure_dev.paths import CHECKOUT

ADDRESS = "10.0.0.163"
KNOWN = {variable for model in PROCESSES.values() for variable in variables_of(model)}


def service_links(name: str, ports: list[dict[str, Any]]) -> Mapping[str, str]:
    """The variables that the kubelet makes of a Service (`envvars.FromServices`)."""
    prefix = name.upper().replace("-", "_")
    links = {f"{prefix}_SERVICE_HOST": ADDRESS, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            links[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for number, port in enumerate(ports):
        protocol = str(port.get("protocol", "TCP"))
        url = f"{protocol.lower()}://{ADDRESS}:{port['port']}"
        if number == 0:
            links[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port['port']}_{protocol}"
        links |= {link: url, f"{link}_PROTO": protocol.lower(), f"{link}_PORT": str(port["port"])}
        links[f"{link}_ADDR"] = ADDRESS
    return links


@cache
def shipped_services() -> dict[str, list[dict[str, Any]]]:
    """The Services that people install, with their ports."""
    text = (CHECKOUT / "manifests" / "install.yaml").read_text()
    bodies = yaml.load_all(text, Loader=yaml.CSafeLoader)
    return {body["metadata"]["name"]: body["spec"]["ports"] for body in bodies if body["kind"] == "Service"}


def test_the_shipped_services_are_there() -> None:
    assert {"tenure-webhook", "tenure-verifier"} <= shipped_services().keys()


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
@pytest.mark.parametrize(
    "name",
    sorted(
        shipped_services().keys()
        | {variable.lower().replace("_", "-") for variable in KNOWN}
        | {variable.lower().replace("_", "-").removesuffix("-port") for variable in KNOWN}
        | {"tenure", "tenure-log", "tenure-webhook-port-443"}
    ),
)
def test_no_service_changes_or_adds_a_setting(name: str, protocol: str) -> None:
    ports = [{**port, "protocol": protocol} for port in shipped_services().get(name, [{"port": 443, "name": "https"}])]
    given = {"TENURE_LOG_LEVEL": "debug", "PATH": "/bin"}
    environ = {**service_links(name, ports), **given}

    drop_service_links(environ)
    refuse_unknown_variables(KNOWN, environ)

    assert {variable: environ[variable] for variable in KNOWN & environ.keys()} == {"TENURE_LOG_LEVEL": "debug"}
    assert environ["PATH"] == "/bin"


def test_a_port_that_somebody_sets_is_kept() -> None:
    environ = {"TENURE_WEBHOOK_PORT": "9443", "TENURE_VERIFIER_PORT": "tcp:8080", "OTHER_PORT": "tcp://10.0.0.1:80"}
    kept = dict(environ)
    drop_service_links(environ)
    assert environ == kept
