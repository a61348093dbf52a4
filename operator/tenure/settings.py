"""The settings of each process. The fields of a model are the command's options and `TENURE_*` variables."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from tenure.console_settings import LoginSettings, PageAddressSettings
from tenure.domain.durations import MEANING, parse_duration
from tenure.domain.installation import DEFAULTS, Installation, KubernetesAccess, Limits
from tenure.domain.policy import MAX_KEYS_PER_MEMBER, WhenKeysExist
from tenure.errors import StartRefusedError
from tenure.mail_settings import LetterSettings
from tenure.options import Setting
from tenure.system_settings import ElectionSettings, NameSettings, SystemSettings, check_namespaces
from tenure.usage_settings import UsageSettings


class LogFormat(StrEnum):
    """Format of the log lines."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """Lowest level of the log lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _check_limits(text: str) -> str:
    Limits.parse(text)
    return text


def _check_life(text: str) -> str:
    if not timedelta(seconds=30) <= parse_duration(text) <= timedelta(days=3650):
        raise ValueError(f"{text!r} is out of range. Use a duration from 30s to 87600h.")
    return text


@dataclass(frozen=True, kw_only=True)
class RuleSettings:
    """Rules for all organizations."""

    when_keys_exist: Annotated[
        WhenKeysExist,
        Setting(
            "Rule for role changes that revoke working keys. It applies to organizations that have no such rule of "
            "their own (spec.roleChanges.whenKeysExist).",
            chart="organizationDefaults.whenKeysExist",
            chart_default="RequireAcknowledgement",
        ),
    ] = DEFAULTS.when_keys_exist
    max_keys_per_member: Annotated[
        int,
        Setting(
            "Maximum number of working keys of a member. It applies to organizations that have no such rule of their "
            "own (spec.keys.maxPerMember).",
            min=1,
            max=MAX_KEYS_PER_MEMBER,
            chart="organizationDefaults.maxPerMember",
        ),
    ] = DEFAULTS.max_per_member
    limits: Annotated[
        str,
        Setting(
            "Limits that no organization can loosen, separated by commas: one or more of "
            "maxTTL=8760h,maxOverlap=24h,maxPerMember=50,requireExpiry=true,whenKeysExist=RequireAcknowledgement.",
            check=_check_limits,
        ),
    ] = ""

    @property
    def installation(self) -> Installation:
        """The rules and settings for all organizations."""
        return Installation(
            when_keys_exist=self.when_keys_exist,
            max_per_member=self.max_keys_per_member,
            limits=Limits.parse(self.limits),
        )


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """Settings of every process that runs in a cluster."""

    health_port: Annotated[
        int,
        Setting(
            "Port of /livez, /readyz and /metrics, in plain HTTP. If you set it, a process that starts waits for the "
            "API server instead of failing. 0: no port.",
            min=0,
            max=65535,
        ),
    ] = 0
    log_format: Annotated[LogFormat, Setting("Format of the log lines.", chart="logs.format", chart_default="json")] = (
        LogFormat.TEXT
    )
    log_level: Annotated[LogLevel, Setting("Lowest level of the log lines that are written.", chart="logs.level")] = (
        LogLevel.INFO
    )


@dataclass(frozen=True, kw_only=True)
class ServedSettings(ProcessSettings):
    """Settings of a process that serves some namespaces, or all."""

    namespaces: Annotated[
        tuple[str, ...],
        Setting(
            "Namespace to serve. Repeat the option for several namespaces. Default: all namespaces.",
            names=("--namespace",),
            check=check_namespaces,
            chart="namespaces",
        ),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class CertificateSettings:
    """Settings of a serving certificate that another program renews, such as cert-manager."""

    tls_cert_file: Annotated[
        Path | None,
        Setting(
            "File with the serving certificate, for example from cert-manager. Without it, the webhooks use Tenure's "
            "own certificate authority, and the verifier, the accept page and the console are served in plain HTTP."
        ),
    ] = None
    tls_key_file: Annotated[Path | None, Setting("File with the private key of --tls-cert-file.")] = None

    def __post_init__(self) -> None:
        """Reject one file without the other."""
        if (self.tls_cert_file is None) is not (self.tls_key_file is None):
            raise StartRefusedError("--tls-cert-file and --tls-key-file belong together. Set both, or neither.")

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        """The files of the certificate and its key, or None if neither is given."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return self.tls_cert_file, self.tls_key_file


@dataclass(frozen=True, kw_only=True)
class ReviewSettings(CertificateSettings):
    """Settings of the listener of the webhooks."""

    webhook_host: Annotated[
        str, Setting("Address on which the webhooks listen. Default: all addresses, of IPv4 and IPv6.")
    ] = ""
    webhook_port: Annotated[int, Setting("Port on which the webhooks listen. 0: any free port.", min=0, max=65535)] = (
        9443
    )
    client_ca_file: Annotated[
        Path | None,
        Setting(
            "File with the certificates of the authority of the API server's client certificate. Reviews without a "
            "certificate of it are rejected. Default: everyone who reaches the port can send reviews.",
        ),
    ] = None
    request_timeout: Annotated[
        float,
        Setting(
            "Your API server's own --request-timeout in seconds. The API server may store a change that late, so "
            "Tenure reserves a step-down of an Owner for longer than that.",
            min=1,
            max=3600,
            chart="webhook.requestTimeoutSeconds",
        ),
    ] = 60.0
    certificate_life: Annotated[
        str,
        Setting(
            f"Lifetime of a serving certificate that Tenure's own authority signs, in {MEANING}.",
            check=_check_life,
            chart="certificates.life",
        ),
    ] = "2160h"


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(NameSettings, SystemSettings, RuleSettings, ServedSettings, ReviewSettings):
    """The settings of `tenure webhook`."""

    @property
    def installation(self) -> Installation:
        """The rules and settings for all organizations."""
        return replace(super().installation, username_prefix=self.username_prefix)


@dataclass(frozen=True, kw_only=True)
class RunSettings(UsageSettings, ElectionSettings, WebhookSettings):
    """The settings of `tenure run`, which serves the webhooks too."""

    resync: Annotated[
        float,
        Setting(
            "Resync period in seconds. In each one, Tenure lists all objects twice and reconciles those that differ.",
            min=1,
            max=86400,
            chart="controller.resyncSeconds",
        ),
    ] = 300.0
    sweep_reads_per_second: Annotated[
        float,
        Setting(
            "Maximum number of Secrets that the sweep reads in a second. In each resync period it reads every key's "
            "Secret twice. If there are too many keys for that, it takes longer.",
            min=1,
            max=10000,
            chart="controller.sweepReadsPerSecond",
        ),
    ] = 50.0
    kubernetes_access: Annotated[
        KubernetesAccess,
        Setting(
            "Rights of members in their organization's namespace. None: no rights. Roles: the ClusterRole of their "
            "role. RolesAndKeys: they can also read the Secrets of their own keys.",
            chart="kubernetesAccess",
            chart_default="RolesAndKeys",
        ),
    ] = DEFAULTS.kubernetes_access
    leader_election: Annotated[
        bool,
        Setting("Reconcile only while this replica holds the Lease in Tenure's own namespace. For several replicas."),
    ] = False
    webhooks: Annotated[
        bool, Setting("Serve the admission webhooks in this process too, if manifests/webhooks.yaml is applied.")
    ] = True

    @property
    def installation(self) -> Installation:
        """The rules and settings for all organizations."""
        return replace(super().installation, kubernetes_access=self.kubernetes_access)


@dataclass(frozen=True, kw_only=True)
class VerifierSettings(ServedSettings, CertificateSettings):
    """The settings of `tenure verifier`."""

    verifier_host: Annotated[
        str, Setting("Address on which the verifier listens. Default: all addresses, of IPv4 and IPv6.")
    ] = ""
    verifier_port: Annotated[int, Setting("Port on which the verifier listens.", min=1, max=65535)] = 8080
    processes: Annotated[
        int,
        Setting(
            "Number of processes that answer on the port, each with an index of its own. 0: one for each whole core of "
            "the container's CPU limit, as long as its memory limit has 256 MiB for each. Without a CPU limit: one.",
            min=0,
            max=64,
            chart="verifier.processes",
        ),
    ] = 0
    max_staleness: Annotated[
        float,
        Setting(
            "Maximum age of the verifier's data in seconds. If it is older, the verifier answers every request with "
            "503.",
            min=10,
            max=3600,
            chart="verifier.maxStalenessSeconds",
        ),
    ] = 30.0
    caller_audience: Annotated[
        str,
        Setting(
            "Audience of the Kubernetes tokens that callers send to get details. With an audience of its own, such a "
            "token can't be used elsewhere. Default: tokens for the API server.",
            chart="verifier.callerAudience",
        ),
    ] = ""
    usage: Annotated[
        bool,
        Setting("Remember in memory when each key was last used, and tell the controller. No address is recorded."),
    ] = True


@dataclass(frozen=True, kw_only=True)
class PageSettings(CertificateSettings):
    """Settings of the listener of the accept page."""

    page_host: Annotated[
        str, Setting("Address on which the accept page listens. Default: all addresses, of IPv4 and IPv6.")
    ] = ""
    page_port: Annotated[
        int,
        Setting("Port of the accept page and its API. They are served if --base-url is set.", min=1, max=65535),
    ] = 8080


@dataclass(frozen=True, kw_only=True)
class MailSettings(LetterSettings, PageSettings, SystemSettings, ElectionSettings, ServedSettings):
    """The settings of `tenure mail`. Its replicas always elect a leader."""

    def __post_init__(self) -> None:
        """Check what belongs together."""
        LetterSettings.__post_init__(self)
        PageSettings.__post_init__(self)


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings(PageAddressSettings, LoginSettings, NameSettings, CertificateSettings, ServedSettings):
    """The settings of `tenure console-server`."""

    def __post_init__(self) -> None:
        """Check what belongs together."""
        PageAddressSettings.__post_init__(self)
        LoginSettings.__post_init__(self)
        CertificateSettings.__post_init__(self)


PROCESSES: Mapping[str, type[ProcessSettings]] = {
    "run": RunSettings,
    "webhook": WebhookSettings,
    "verifier": VerifierSettings,
    "mail": MailSettings,
    "console-server": ConsoleSettings,
}
"""The commands that run in a cluster."""
