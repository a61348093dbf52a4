"""Check the `TENURE_*` environment variables: those that set options, and those that Kubernetes adds for Services."""

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping

from tenure.errors import StartRefusedError

PREFIX = "TENURE_"

_SERVICE_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_.*)?)?)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")


def drop_service_links(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove the variables that Kubernetes adds to a pod for Services, if they look like settings of Tenure.

    For a Service `tenure-webhook`, Kubernetes sets `TENURE_WEBHOOK_PORT=tcp://10.0.0.1:443` in each pod of its
    namespace, unless the pod has `enableServiceLinks: false`. No setting has a value of that form.
    """
    for name, value in list(environ.items()):
        if name.startswith(PREFIX) and _SERVICE_LINK.fullmatch(name) and _SERVICE_ADDRESS.fullmatch(value):
            del environ[name]


def refuse_unknown_variables(known: Iterable[str], environ: Mapping[str, str] = os.environ) -> None:
    """Reject `TENURE_*` variables that set no option, because a mistyped setting would be ignored silently.

    Variables that Kubernetes sets for Services whose names begin with `tenure` are allowed.

    Raises:
        StartRefusedError: a variable is unknown. The text names it and the known ones.
    """
    known = sorted(known)
    unknown = sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and _SERVICE_LINK.fullmatch(name) is None
    )
    if unknown:
        raise StartRefusedError(
            f"unknown variable {', '.join(unknown)}. Correct its name, or unset it. Known variables: {', '.join(known)}"
        )
