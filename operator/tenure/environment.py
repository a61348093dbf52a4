"""Check the `TENURE_*` environment variables: those that set options, and those that Kubernetes adds for Services."""

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping

from tenure.errors import StartRefusedError

PREFIX = "TENURE_"

_URL_LINK = re.compile(r".*_PORT(_\d+_(TCP|UDP|SCTP))?")
_URL = re.compile(r"(tcp|udp|sctp)://.*")
_PLAIN_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR))")
_PLAIN = re.compile(r"tcp|udp|sctp|[\da-f.:]+")
"""A protocol, a port or an IP address."""


def is_reserved(name: str) -> bool:
    """Return whether Kubernetes gives this variable a plain value for a Service, so that no setting may have its name.

    For example, a Service `tenure-x` gives each pod of its namespace `TENURE_X_SERVICE_HOST=10.0.0.1`. A setting may
    be called `TENURE_…_PORT`, because a Service gives that variable a URL, which no setting has.
    """
    return _PLAIN_LINK.fullmatch(name) is not None


def drop_service_links(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove the `TENURE_*` variables that Kubernetes adds to a pod for Services, because they are no settings.

    For a Service `tenure-webhook`, Kubernetes sets `TENURE_WEBHOOK_PORT=tcp://10.0.0.1:443` in each pod of its
    namespace, unless the pod has `enableServiceLinks: false`. A name alone proves nothing: `TENURE_WEBHOK_PORT=9443` is
    a typing error of a person, which has to be refused.
    """
    for name, value in list(environ.items()):
        if name.startswith(PREFIX) and _is_service_link(name, value):
            del environ[name]


def _is_service_link(name: str, value: str) -> bool:
    if _URL_LINK.fullmatch(name) and _URL.fullmatch(value):
        return True
    return is_reserved(name) and _PLAIN.fullmatch(value) is not None


def refuse_unknown_variables(known: Iterable[str], environ: Mapping[str, str] = os.environ) -> None:
    """Reject `TENURE_*` variables that set no option, because a mistyped setting would be ignored silently.

    Call `drop_service_links` first, or else a Service whose name begins with `tenure` prevents the start.

    Raises:
        StartRefusedError: a variable is unknown. The text names it and the known ones.
    """
    known = sorted(known)
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise StartRefusedError(
            f"unknown variable {', '.join(unknown)}. Correct its name, or unset it. Known variables: {', '.join(known)}"
        )
