"""The settings that several processes share: Tenure's own namespace, the election, and the names of people."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tenure.domain.installation import DEFAULTS
from tenure.options import Setting

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def check_namespaces(names: Sequence[str] | None) -> Sequence[str]:
    """Return the namespaces without duplicates.

    Raises:
        ValueError: one of them isn't a valid name of a namespace.
    """
    return [_check_namespace(name) for name in dict.fromkeys(names or ())]


def _check_namespace(name: str) -> str:
    if _NAMESPACE.fullmatch(name) is None:
        raise ValueError(
            f"{name!r} is not a valid namespace name. Use lower-case letters, digits and dashes, at most 63 characters."
        )
    return name


def _system_namespace(name: str) -> str:
    """Return the given namespace, or else the pod's, or else `tenure-system`."""
    if name:
        return _check_namespace(name)
    return _POD_NAMESPACE.read_text().strip() if _POD_NAMESPACE.exists() else "tenure-system"


@dataclass(frozen=True, kw_only=True)
class SystemSettings:
    """Where a process keeps objects of its own."""

    system_namespace: Annotated[
        str,
        Setting(
            "Tenure's own namespace, for its Leases and the Secret of its certificate authority. Default: the pod's "
            "namespace, or tenure-system.",
            check=_system_namespace,
        ),
    ] = ""


@dataclass(frozen=True, kw_only=True)
class ElectionSettings:
    """Settings of an election between replicas."""

    lease_duration: Annotated[
        int,
        Setting(
            "Seconds after which another replica takes over if the lease holder no longer renews the Lease.",
            min=3,
            max=3600,
            chart="controller.leaseSeconds",
        ),
    ] = 15


@dataclass(frozen=True, kw_only=True)
class NameSettings:
    """How people are called in Kubernetes."""

    username_prefix: Annotated[
        str,
        Setting(
            "Prefix that your identity provider puts before user names in Kubernetes, for example 'oidc:'.",
            chart="identity.usernamePrefix",
        ),
    ] = DEFAULTS.username_prefix
