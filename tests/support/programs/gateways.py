"""Proxies that ask the verifier, configured as the documentation shows, with other addresses."""

import os
import re
import shutil
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.paths import CHECKOUT
from tenure_dev.processes import Process

PAGE = CHECKOUT / "docs" / "howto" / "behind-a-proxy.md"
VERIFIER_ADDRESS = "tenure-verifier.tenure-system"

_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/tenure.conf;
}}
"""

_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

Gateway = Callable[[Path, int, int, int], Process]
"""Takes a folder and the ports of the proxy, the verifier and the application."""


def nginx(folder: Path, port: int, verifier: int, application: int) -> Process:
    """Make an nginx, not yet started."""
    nginx_configuration(
        folder, listen=f"127.0.0.1:{port}", verifier=f"127.0.0.1:{verifier}", application=f"127.0.0.1:{application}"
    )
    return Process("nginx", nginx_command(folder), log=folder / "nginx.log")


def nginx_configuration(folder: Path, *, listen: str, verifier: str, application: str, more: str = "") -> None:
    """Write the configuration of the page with other addresses, and with `more` behind it."""
    text = _replaced(
        _questions(_example("nginx")),
        {
            f"server {VERIFIER_ADDRESS}:80;": f"server {verifier};",
            "server application.example.com:80;": f"server {application};",
            "listen 8000;": f"listen {listen};",
            "/var/log/nginx/access.log": f"{folder}/access.log",
        },
    )
    # Started by root, workers would have another user, who may not read a test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "tenure.conf").write_text(text + more)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, user=user))


def nginx_command(folder: Path) -> list[str]:
    """The command that runs nginx with the configuration in a folder."""
    program = nginx_program()
    assert program is not None
    return [program, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]


def nginx_program() -> str | None:
    """Where nginx is; Debian's place for it is on no user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def envoy(folder: Path, port: int, verifier: int, application: int) -> Process:
    """Make an Envoy, not yet started."""
    return _envoy(folder, port, verifier, application, yaml.safe_load(_questions(_example("Envoy"))))


def envoy_with_path(folder: Path, port: int, verifier: int, application: int, namespace: str) -> Process:
    """Make an Envoy as Envoy Gateway and Istio configure it: it appends the path of the request that it asks about."""
    policy = yaml.safe_load(_example("Envoy Gateway"))
    path = policy["spec"]["extAuth"]["http"]["path"]
    assert path.split("/")[3] == "acme"
    manager = yaml.safe_load(_example("Envoy"))
    service = manager["http_filters"][0]["typed_config"]["http_service"]
    del service["path_override"]
    service["path_prefix"] = path.replace("acme", namespace)
    return _envoy(folder, port, verifier, application, manager)


def traefik(folder: Path, port: int, verifier: int, application: int) -> Process:
    """Make a Traefik, not yet started."""
    text = _replaced(
        _questions(_example("Traefik")),
        {
            f"http://{VERIFIER_ADDRESS}/": f"http://127.0.0.1:{verifier}/",
            "http://application.example.com": f"http://127.0.0.1:{application}",
        },
    )
    (folder / "routes.yaml").write_text(text)
    static = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": {"web": {"address": f"127.0.0.1:{port}"}},
        "providers": {"file": {"filename": str(folder / "routes.yaml"), "watch": False}},
    }
    (folder / "traefik.yaml").write_text(yaml.safe_dump(static))
    program = traefik_program()
    assert program is not None
    return Process("traefik", [program, f"--configFile={folder / 'traefik.yaml'}"], log=folder / "traefik.log")


def traefik_program() -> str | None:
    """Where Traefik is; nothing installs it."""
    return shutil.which("traefik")


def _envoy(folder: Path, port: int, verifier: int, application: int, fields: Mapping[str, Any]) -> Process:
    manager = {"@type": _MANAGER, "stat_prefix": "test", **fields}
    listener = {
        "name": "test",
        "address": _address(port),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    clusters = [_cluster("tenure", verifier), _cluster("application", application)]
    path = folder / "envoy.yaml"
    path.write_text(yaml.safe_dump({"static_resources": {"listeners": [listener], "clusters": clusters}}))
    program = Path(sysconfig.get_path("scripts"), "envoy")
    command = [str(program), "--config-path", str(path), "--concurrency", "1", "--disable-hot-restart"]
    return Process("envoy", command, log=folder / "envoy.log")


def _example(name: str) -> str:
    """The first example below a heading, or behind a line with a name and a colon."""
    found = re.search(rf"^(?:## )?{name}:?$.*?^```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found[1]


def _questions(example: str) -> str:
    """An example that asks for no namespace, because each test has one of its own."""
    assert "namespace=acme&" in example
    return example.replace("namespace=acme&", "")


def _replaced(text: str, places: dict[str, str]) -> str:
    for old, new in places.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, object]:
    endpoint = {"endpoint": {"address": _address(port)}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "2s", "load_assignment": assignment}
