"""The variables that the kubelet makes of Services are no settings, whatever the Services are called."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from tenure.environment import drop_service_links, is_reserved, refuse_unknown_variables
from tenure.errors import StartRefusedError
from tenure.options import variables_of
from tenure.settings import PROCESSES
from tenure_dev.paths import CHECKOUT

ADDRESSES = {"IPv4": "10.0.0.163", "IPv6": "fd00:10:96::a3"}
KNOWN = {variable for model in PROCESSES.values() for variable in variables_of(model)}


def service_links(name: str, ports: list[dict[str, Any]], address: str) -> Mapping[str, str]:
    """The variables that the kubelet makes of a Service (`envvars.FromServices`)."""
    host = f"[{address}]" if ":" in address else address
    prefix = name.upper().replace("-", "_")
    links = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            links[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for number, port in enumerate(ports):
        protocol = str(port.get("protocol", "TCP"))
        url = f"{protocol.lower()}://{host}:{port['port']}"
        if number == 0:
            links[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port['port']}_{protocol}"
        links |= {link: url, f"{link}_PROTO": protocol.lower(), f"{link}_PORT": str(port["port"])}
        links[f"{link}_ADDR"] = address
    return links


@cache
def shipped_services() -> dict[str, list[dict[str, Any]]]:
    """The Services that people install, with their ports."""
    text = (CHECKOUT / "manifests" / "install.yaml").read_text()
    bodies = yaml.load_all(text, Loader=yaml.CSafeLoader)
    return {body["metadata"]["name"]: body["spec"]["ports"] for body in bodies if body["kind"] == "Service"}


def test_the_shipped_services_are_there() -> None:
    assert {"tenure-webhook", "tenure-verifier"} <= shipped_services().keys()


def names() -> list[str]:
    """The shipped Services, and Services whose variables are most like settings."""
    settings = {variable.lower().replace("_", "-") for variable in KNOWN}
    heads = {setting.rpartition("-")[0] for setting in settings}
    return sorted(shipped_services().keys() | settings | heads | {"tenure-log", "tenure-webhook-port-443"})


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
@pytest.mark.parametrize("name", names())
def test_no_service_changes_or_adds_a_setting(name: str, protocol: str, address: str) -> None:
    ports = [{**port, "protocol": protocol} for port in shipped_services().get(name, [{"port": 443, "name": "https"}])]
    given = {"TENURE_LOG_LEVEL": "debug", "PATH": "/bin"}
    environ = {**service_links(name, ports, address), **given}

    drop_service_links(environ)
    refuse_unknown_variables(KNOWN, environ)

    assert {name: environ[name] for name in environ if name.startswith("TENURE_")} == {"TENURE_LOG_LEVEL": "debug"}
    assert environ["PATH"] == "/bin"


def test_no_setting_has_a_name_to_which_kubernetes_gives_a_plain_value() -> None:
    """Nobody could tell such a value from a person's. See "Settings and Services" in docs/design.md."""
    assert [variable for variable in KNOWN if is_reserved(variable)] == []
    assert is_reserved("TENURE_X_SERVICE_HOST")


def test_a_port_that_somebody_sets_is_kept() -> None:
    environ = {"TENURE_WEBHOOK_PORT": "9443", "TENURE_VERIFIER_PORT": "tcp:8080", "OTHER_PORT": "tcp://10.0.0.1:80"}
    kept = dict(environ)
    drop_service_links(environ)
    assert environ == kept


@pytest.mark.parametrize("variable", ["TENURE_WEBHOK_PORT=9443", "TENURE_WEBHOOK_SERVICE_HOST=localhost"])
def test_a_typing_error_that_looks_like_a_service_is_refused(variable: str) -> None:
    name, _, value = variable.partition("=")
    environ = {name: value}
    drop_service_links(environ)
    with pytest.raises(StartRefusedError, match=f"unknown variable {name}"):
        refuse_unknown_variables(KNOWN, environ)
