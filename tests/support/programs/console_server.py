"""`tenure console-server` as its users run it, behind a proxy that passes a token on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from support.programs.console import fields_of
from support.programs.operator_process import OperatorProcess
from support.run.slowness import NEVER
from tenure.kube.kubeconfig import read_kubeconfig
from tenure_dev import console
from tenure_dev.controlplane import free_ports

HOST = "console.acme.test"


class ConsoleServer(OperatorProcess):
    """A console behind a login, on a free port of the loopback."""

    ready_line = console.READY_LINE

    def __init__(
        self, kubeconfig: Path, log: Path, *args: str, url: str = f"https://{HOST}", health_port: int | None = None
    ) -> None:
        (self.port,) = free_ports(1)
        self.url = url
        super().__init__(
            kubeconfig, log, *args, command=console.server_command(self.port, url), health_port=health_port
        )

    @classmethod
    def passing_through(cls, kubeconfig: Path, log: Path, *args: str, **options: Any) -> "ConsoleServer":
        """Return one that sends the tokens of people on, to the cluster of a kubeconfig whose user it never uses."""
        found = read_kubeconfig(str(kubeconfig))
        trusted: tuple[str, ...] = ()
        if authority := found.cluster.authority():
            file = log.with_suffix(".ca")
            file.write_bytes(authority)
            trusted = (f"--api-server-ca-file={file}",)
        return cls(kubeconfig, log, f"--api-server={found.server}", *trusted, *args, **options)

    def as_person(self, token: str) -> "Visit":
        """Return what somebody sees who has logged in."""
        return Visit(self, {"Authorization": f"Bearer {token}"} if token else {})


@dataclass(frozen=True)
class Visit:
    """Somebody in front of the console, with the headers that the proxy adds."""

    server: ConsoleServer
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, *, data: Any = None, **headers: str | None) -> requests.Response:
        """Send a request for a path below the console's, as the proxy passes it on."""
        given: dict[str, Any] = {"Host": HOST, **self.headers}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        prefix = re.sub(r"^https?://[^/]+", "", self.server.url)
        return requests.request(
            method,
            f"http://127.0.0.1:{self.server.port}{prefix}{path}",
            data=data,
            headers={name: value for name, value in given.items() if value is not None},
            timeout=NEVER,
            allow_redirects=False,
        )

    def get(self, path: str, **headers: str | None) -> requests.Response:
        """Open a page."""
        return self.send("GET", path, **headers)

    def json(self, path: str) -> Any:
        """Return the document of a page."""
        return self.get(path, Accept="application/json").json()

    def form(self, path: str, **fields: str) -> dict[str, str]:
        """Open the page of a change, and return the fields of its form with these ones filled in."""
        return {**fields_of(self.get(path).text), **fields}

    def post(self, path: str, fields: Mapping[str, str], **headers: str | None) -> requests.Response:
        """Send a form as a browser does."""
        own = {"Sec_Fetch_Site": "same-origin", "Origin": f"https://{HOST}", **headers}
        return self.send("POST", path.partition("?")[0], data=dict(fields), **own)
