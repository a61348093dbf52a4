"""The options of the commands that run in a cluster, each with the variable that sets it too."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from tenure.domain.durations import MEANING, parse_duration
from tenure.domain.installation import KubernetesAccess, Limits
from tenure.domain.moments import MEANING as MOMENT
from tenure.domain.moments import parse_moment
from tenure.domain.policy import WhenKeysExist
from tenure.errors import StartRefusedError
from tenure.settings import PREFIX, LogFormat, LogLevel

SHORTEST_RESYNC_SECONDS = 1.0
LONGEST_RESYNC_SECONDS = 86400.0
SHORTEST_CERTIFICATE_LIFE = timedelta(seconds=30)
LONGEST_CERTIFICATE_LIFE = timedelta(days=3650)

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OBJECT_NAME = re.compile(rf"{_NAME.pattern}(\.{_NAME.pattern})*")
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def variable(name: str) -> str:
    """The environment variable of an option."""
    return f"{PREFIX}{name}"


def _variables(names: str) -> tuple[str, ...]:
    return tuple(map(variable, names.split()))


COMMON_VARIABLES = _variables("NAMESPACES USERNAME_PREFIX WHEN_KEYS_EXIST LIMITS LOG_FORMAT LOG_LEVEL HEALTH_PORT")
WEBHOOK_VARIABLES = _variables(
    "WEBHOOK_HOST WEBHOOK_PORT SYSTEM_NAMESPACE REQUEST_TIMEOUT CERTIFICATE_LIFE TLS_CERT_FILE TLS_KEY_FILE"
)
VERIFIER_VARIABLES = _variables(
    "VERIFIER_HOST VERIFIER_PORT MAX_STALENESS CALLER_AUDIENCE HEALTH_PORT TLS_CERT_FILE TLS_KEY_FILE LOG_FORMAT "
    "LOG_LEVEL"
)
RUN_VARIABLES = (
    *COMMON_VARIABLES,
    *WEBHOOK_VARIABLES,
    variable("RESYNC"),
    variable("WEBHOOKS"),
    variable("KUBERNETES_ACCESS"),
    variable("LEADER_ELECTION"),
    variable("LEASE_DURATION"),
)


def _check_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise typer.BadParameter(f"{name!r} is no namespace's name: lower-case letters, digits and dashes, at most 63")
    return name


def _check_names(names: list[str] | None) -> list[str]:
    return [_check_name(name) for name in dict.fromkeys(names or [])]


def _check_limits(text: str) -> str:
    try:
        Limits.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _check_life(text: str) -> str:
    try:
        life = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not SHORTEST_CERTIFICATE_LIFE <= life <= LONGEST_CERTIFICATE_LIFE:
        raise typer.BadParameter(f"{text!r} is not in the range from 30s to 87600h")
    return text


def _check_moment(text: str) -> str:
    try:
        parse_moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _check_member(name: str) -> str:
    from tenure.domain.resources.base import NAME_LENGTH  # noqa: PLC0415 - the command that has it imports this anyway

    if name and (len(name) > NAME_LENGTH or _OBJECT_NAME.fullmatch(name) is None):
        raise typer.BadParameter(f"{name!r} is no Membership's name: lower-case letters, digits, dashes and dots")
    return name


def system_namespace(given: str) -> str:
    """The namespace of Tenure's own objects: the one that was named, the pod's, or `tenure-system`."""
    if given:
        return given
    return _POD_NAMESPACE.read_text().strip() if _POD_NAMESPACE.exists() else "tenure-system"


def certificate_files(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    """The serving certificate and its key; None: neither is given.

    Raises:
        StartRefusedError: only one of them is given.
    """
    if certificate is None or key is None:
        if certificate is not key:
            raise StartRefusedError("--tls-cert-file and --tls-key-file belong together; give both or none")
        return None
    return certificate, key


Namespaces = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace",
        help="Serve this namespace only; repeat it for several. Left out: all namespaces.",
        envvar=variable("NAMESPACES"),
        callback=_check_names,
    ),
]
Resync = Annotated[
    float,
    typer.Option(
        help="Seconds between two sweeps, which list and compare everything.",
        min=SHORTEST_RESYNC_SECONDS,
        max=LONGEST_RESYNC_SECONDS,
        envvar=variable("RESYNC"),
    ),
]
HealthPort = Annotated[
    int,
    typer.Option(
        help="The port of /livez, /readyz and /metrics, in plain HTTP; with it, a start waits for the API server. "
        "Left out: none.",
        min=0,
        max=65535,
        envvar=variable("HEALTH_PORT"),
    ),
]
UsernamePrefix = Annotated[
    str,
    typer.Option(
        help="What the identity provider puts before a person's name in Kubernetes, such as 'oidc:'.",
        envvar=variable("USERNAME_PREFIX"),
    ),
]
KeysExist = Annotated[
    WhenKeysExist,
    typer.Option(
        "--when-keys-exist",
        help="What a role change that ends working keys meets, in organizations that don't say it themselves.",
        envvar=variable("WHEN_KEYS_EXIST"),
    ),
]
Access = Annotated[
    KubernetesAccess,
    typer.Option(
        "--kubernetes-access",
        help="What members are given in their namespace: nothing, the ClusterRole of their role, or besides that the "
        "Secrets of their own keys, to read.",
        envvar=variable("KUBERNETES_ACCESS"),
    ),
]
LimitsText = Annotated[
    str,
    typer.Option(
        "--limits",
        help="Bounds that no organization can loosen: maxTTL=8760h,maxPerMember=50,requireExpiry=true,"
        "whenKeysExist=RequireAcknowledgement, or some of them.",
        envvar=variable("LIMITS"),
        callback=_check_limits,
    ),
]
VerifierHost = Annotated[str, typer.Option(help="The address to listen on.", envvar=variable("VERIFIER_HOST"))]
VerifierPort = Annotated[
    int, typer.Option(help="The port to listen on.", min=1, max=65535, envvar=variable("VERIFIER_PORT"))
]
MaxStaleness = Annotated[
    float,
    typer.Option(
        help="Seconds that what is known may be old at most; beyond, nothing is called valid.",
        min=10,
        max=3600,
        envvar=variable("MAX_STALENESS"),
    ),
]
CallerAudience = Annotated[
    str,
    typer.Option(
        help="The audience of the Kubernetes tokens that callers show to learn details, so that they are good for "
        "nothing else. Left out: tokens for the API server.",
        envvar=variable("CALLER_AUDIENCE"),
    ),
]
Format = Annotated[
    LogFormat, typer.Option("--log-format", help="How log lines are written.", envvar=variable("LOG_FORMAT"))
]
Level = Annotated[
    LogLevel, typer.Option("--log-level", help="Which log lines are written.", envvar=variable("LOG_LEVEL"))
]
LeaderElection = Annotated[
    bool,
    typer.Option(
        "--leader-election/--no-leader-election",
        help="Reconcile only while this replica holds the Lease in Tenure's own namespace; for several replicas.",
        envvar=variable("LEADER_ELECTION"),
    ),
]
LeaseDuration = Annotated[
    int,
    typer.Option(
        help="Seconds after which another replica takes over from one that doesn't renew the Lease any more.",
        min=3,
        max=3600,
        envvar=variable("LEASE_DURATION"),
    ),
]
Webhooks = Annotated[
    bool,
    typer.Option(
        "--webhooks/--no-webhooks",
        help="Judge changes in this process too, if manifests/webhooks.yaml is applied.",
        envvar=variable("WEBHOOKS"),
    ),
]
WebhookHost = Annotated[
    str, typer.Option(help="The address to serve reviews on. Left out: all.", envvar=variable("WEBHOOK_HOST"))
]
WebhookPort = Annotated[
    int, typer.Option(help="The port to serve reviews on.", min=0, max=65535, envvar=variable("WEBHOOK_PORT"))
]
SystemNamespace = Annotated[
    str,
    typer.Option(
        help="Where Tenure keeps its authority and its leases. Left out: the pod's namespace, or tenure-system.",
        envvar=variable("SYSTEM_NAMESPACE"),
        callback=lambda name: _check_name(name) if name else name,
    ),
]
RequestTimeout = Annotated[
    float,
    typer.Option(
        help="The API server's own --request-timeout, in seconds: nothing is stored later than that.",
        min=1,
        max=3600,
        envvar=variable("REQUEST_TIMEOUT"),
    ),
]
CertificateLife = Annotated[
    str,
    typer.Option(
        help=f"How long a serving certificate of our own authority lives, in {MEANING}.",
        envvar=variable("CERTIFICATE_LIFE"),
        callback=_check_life,
    ),
]
CertificateFile = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert-file",
        help="A serving certificate that somebody else renews, e.g. cert-manager. Left out: an authority of our own.",
        envvar=variable("TLS_CERT_FILE"),
    ),
]
KeyFile = Annotated[Path | None, typer.Option("--tls-key-file", help="Its key.", envvar=variable("TLS_KEY_FILE"))]
IssuedBefore = Annotated[
    str, typer.Option(help=f"End keys that were issued before: {MOMENT}; 0s: all.", callback=_check_moment)
]
RevokedNamespaces = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace", "-n", help="In this namespace only; repeat it for several. Left out: all.", callback=_check_names
    ),
]
RevokedMember = Annotated[
    str, typer.Option("--membership", help="Keys of this member only. Left out: everybody's.", callback=_check_member)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which keys would be ended.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask first; without a terminal it is needed.")]
