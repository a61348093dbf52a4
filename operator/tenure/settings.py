"""The operator's settings, from the command line and `TENURE_*` variables."""

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from tenure.domain.installation import DEFAULTS, Installation
from tenure.errors import StartRefusedError

PREFIX = "TENURE_"

_SERVICE_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_.*)?)?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """Which log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class WebhookSettings:
    """How reviews are served.

    Attributes:
        host: The address to listen on; empty: all.
        port: The port; 0: a free one.
        system_namespace: Where the authority's Secret and the leases of the last owners are.
        request_seconds: The API server's request timeout, which the leases outlive.
        certificate_life: How long a serving certificate lives.
        certificate: Files that hold a serving certificate and its key; None: an authority of our own signs one.
    """

    host: str = ""
    port: int = 9443
    system_namespace: str = "tenure-system"
    request_seconds: float = 60.0
    certificate_life: timedelta = timedelta(days=90)
    certificate: tuple[Path, Path] | None = None


@dataclass(frozen=True)
class ElectionSettings:
    """How one of several replicas is elected.

    Attributes:
        system_namespace: Where the Lease is.
        lease_seconds: How long the Lease lasts after it was renewed.
    """

    system_namespace: str = "tenure-system"
    lease_seconds: int = 15


@dataclass(frozen=True)
class VerifierSettings:
    """How tokens are verified.

    Attributes:
        host: The address to listen on.
        port: The port.
        max_staleness: Seconds that what is known may be old at most.
        certificate: Files that hold a serving certificate and its key; None: plain HTTP.
        health_port: The port of /livez, /readyz and /metrics; 0: none.
        caller_audience: The audience of callers' tokens; empty: the API server's own.
    """

    host: str = "0.0.0.0"  # noqa: S104 - in a container, others are to reach it
    port: int = 8080
    max_staleness: float = 30.0
    certificate: tuple[Path, Path] | None = None
    health_port: int = 0
    caller_audience: str = ""


@dataclass(frozen=True)
class Settings:
    """What `tenure run` can be told.

    Attributes:
        namespaces: Namespaces to serve; empty: all.
        resync_seconds: How often everything is listed and compared.
        health_port: The port of /livez, /readyz and /metrics; 0: none.
        installation: What holds for all organizations.
        webhook: How reviews are served in the operator's process; None: they aren't.
        election: How the replica that reconciles is elected; None: there is only one.
        log_format: How log lines are written.
        log_level: Which log lines are written.
    """

    namespaces: tuple[str, ...] = ()
    resync_seconds: float = 300.0
    health_port: int = 0
    installation: Installation = DEFAULTS
    webhook: WebhookSettings | None = None
    election: ElectionSettings | None = None
    log_format: LogFormat = LogFormat.TEXT
    log_level: LogLevel = LogLevel.INFO


def drop_service_links(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove the variables by which Kubernetes tells a pod of a Service, where they look like settings.

    A Service `tenure-webhook` makes `TENURE_WEBHOOK_PORT=tcp://10.0.0.1:443` in each pod of its namespace, unless the
    pod has `enableServiceLinks: false`. No setting has a value of that form.
    """
    for name, value in list(environ.items()):
        if name.startswith(PREFIX) and _SERVICE_LINK.fullmatch(name) and _SERVICE_ADDRESS.fullmatch(value):
            del environ[name]


def refuse_unknown_variables(known: Iterable[str], environ: Mapping[str, str] = os.environ) -> None:
    """Refuse `TENURE_*` variables that mean nothing, since a mistyped setting would be lost silently.

    Variables that Kubernetes itself sets for Services whose names begin with `tenure` are passed over.

    Raises:
        StartRefusedError: a variable is unknown; the text names it and the known ones.
    """
    known = sorted(known)
    unknown = sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and _SERVICE_LINK.fullmatch(name) is None
    )
    if unknown:
        raise StartRefusedError(f"unknown setting {', '.join(unknown)}; known are {', '.join(known)}")
