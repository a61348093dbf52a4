"""The command `tenure`. Each command imports its own program, so none waits for another's imports."""

import os
import sys
from typing import Annotated

import typer

from tenure import __version__, options
from tenure.domain.durations import parse_duration
from tenure.domain.installation import Installation, KubernetesAccess, Limits
from tenure.domain.moments import parse_moment
from tenure.domain.policy import WhenKeysExist
from tenure.errors import TenureError
from tenure.impact.formats import OutputFormat
from tenure.observability.logs import configure_logs
from tenure.revocation.formats import OutputFormat as RevocationFormat
from tenure.settings import (
    ElectionSettings,
    LogFormat,
    LogLevel,
    Settings,
    VerifierSettings,
    WebhookSettings,
    drop_service_links,
    refuse_unknown_variables,
)
from tenure.unused import load_when_used

app = typer.Typer(
    help="Organizations, memberships and API keys as Kubernetes resources.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def run(
    namespace: options.Namespaces = None,
    resync: options.Resync = 300.0,
    health_port: options.HealthPort = 0,
    username_prefix: options.UsernamePrefix = "",
    when_keys_exist: options.KeysExist = WhenKeysExist.WARN,
    limits: options.LimitsText = "",
    kubernetes_access: options.Access = KubernetesAccess.NONE,
    *,
    leader_election: options.LeaderElection = False,
    lease_duration: options.LeaseDuration = 15,
    webhooks: options.Webhooks = True,
    webhook_host: options.WebhookHost = "",
    webhook_port: options.WebhookPort = 9443,
    system_namespace: options.SystemNamespace = "",
    request_timeout: options.RequestTimeout = 60.0,
    certificate_life: options.CertificateLife = "2160h",
    tls_cert_file: options.CertificateFile = None,
    tls_key_file: options.KeyFile = None,
    log_format: options.Format = LogFormat.TEXT,
    log_level: options.Level = LogLevel.INFO,
) -> None:
    """Run the operator in a cluster, or against the one that KUBECONFIG names.

    It needs nothing there but the CustomResourceDefinitions and its rights; where the webhooks are applied too, it
    judges changes before they are stored. SIGTERM finishes the write in flight.
    """
    refuse_unknown_variables(options.RUN_VARIABLES)
    configure_logs(log_format, log_level)
    webhook = WebhookSettings(
        host=webhook_host,
        port=webhook_port,
        system_namespace=options.system_namespace(system_namespace),
        request_seconds=request_timeout,
        certificate_life=parse_duration(certificate_life),
        certificate=options.certificate_files(tls_cert_file, tls_key_file),
    )
    election = ElectionSettings(options.system_namespace(system_namespace), lease_duration)
    settings = Settings(
        namespaces=tuple(namespace or ()),
        resync_seconds=resync,
        health_port=health_port,
        installation=Installation(username_prefix, when_keys_exist, Limits.parse(limits), kubernetes_access),
        webhook=webhook if webhooks else None,
        election=election if leader_election else None,
        log_format=log_format,
        log_level=log_level,
    )

    from tenure.controller.process import run as run_operator

    run_operator(settings)


@app.command()
def webhook(
    namespace: options.Namespaces = None,
    health_port: options.HealthPort = 0,
    username_prefix: options.UsernamePrefix = "",
    when_keys_exist: options.KeysExist = WhenKeysExist.WARN,
    limits: options.LimitsText = "",
    webhook_host: options.WebhookHost = "",
    webhook_port: options.WebhookPort = 9443,
    system_namespace: options.SystemNamespace = "",
    request_timeout: options.RequestTimeout = 60.0,
    certificate_life: options.CertificateLife = "2160h",
    tls_cert_file: options.CertificateFile = None,
    tls_key_file: options.KeyFile = None,
    log_format: options.Format = LogFormat.TEXT,
    log_level: options.Level = LogLevel.INFO,
) -> None:
    """Judge changes before they are stored, and nothing else; any number of replicas.

    The other half is `tenure run --no-webhooks`.
    """
    refuse_unknown_variables((*options.COMMON_VARIABLES, *options.WEBHOOK_VARIABLES))
    configure_logs(log_format, log_level)
    settings = Settings(
        namespaces=tuple(namespace or ()),
        health_port=health_port,
        installation=Installation(username_prefix, when_keys_exist, Limits.parse(limits)),
        log_format=log_format,
        log_level=log_level,
    )

    from tenure.admission.process import run as run_webhook

    run_webhook(
        settings,
        WebhookSettings(
            host=webhook_host,
            port=webhook_port,
            system_namespace=options.system_namespace(system_namespace),
            request_seconds=request_timeout,
            certificate_life=parse_duration(certificate_life),
            certificate=options.certificate_files(tls_cert_file, tls_key_file),
        ),
    )


@app.command()
def verifier(
    *,
    verifier_host: options.VerifierHost = "0.0.0.0",  # noqa: S104 - in a container, others are to reach it
    verifier_port: options.VerifierPort = 8080,
    max_staleness: options.MaxStaleness = 30.0,
    caller_audience: options.CallerAudience = "",
    health_port: options.HealthPort = 0,
    tls_cert_file: options.CertificateFile = None,
    tls_key_file: options.KeyFile = None,
    log_format: options.Format = LogFormat.TEXT,
    log_level: options.Level = LogLevel.INFO,
) -> None:
    """Say over HTTP what tokens are worth; any number of replicas, and none of them can read a Secret."""
    refuse_unknown_variables(options.VERIFIER_VARIABLES)
    configure_logs(log_format, log_level)
    certificate = options.certificate_files(tls_cert_file, tls_key_file)

    from tenure.verifier.process import run as run_verifier

    run_verifier(
        VerifierSettings(verifier_host, verifier_port, max_staleness, certificate, health_port, caller_audience)
    )


@app.command()
def probe(
    url: Annotated[
        str, typer.Argument(help="Where webhooks are served, such as https://tenure-webhook.tenure-system.svc.")
    ],
) -> None:
    """Send requests that must be refused to the webhooks, and fail unless all of them are."""
    from tenure.admission.selftest import probe as probe_webhook

    if flaw := probe_webhook(url):
        typer.echo(f"tenure: {url}: {flaw}", err=True)
        raise typer.Exit(1)
    typer.echo("every request that must be refused was refused")


@app.command()
def impact(
    base: Annotated[str, typer.Option(help="The tree before: a folder, a git revision, or - for standard input.")],
    head: Annotated[str, typer.Option(help="The tree after: a folder, a git revision, or - for standard input.")],
    output: Annotated[OutputFormat, typer.Option("--output", "-o", help="How to print it.")] = OutputFormat.TEXT,
    namespace: Annotated[str, typer.Option(help="Where objects belong that name no namespace.")] = "default",
    when_keys_exist: options.KeysExist = WhenKeysExist.WARN,
    limits: options.LimitsText = "",
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Begin with what is in the cluster that KUBECONFIG names, by `list` alone.")
    ] = False,
) -> None:
    """Say what a change to a repository of manifests does to keys, without a cluster.

    Exit code 0: every change may pass as it is. 2: keys end and nobody acknowledged it, or a change will be refused.
    1: a manifest can't be understood.
    """
    from tenure.impact.command import impact as report_impact

    installation = Installation(when_keys_exist=when_keys_exist, limits=Limits.parse(limits))
    if code := report_impact(base, head, namespace, live=live, installation=installation, output=output):
        raise typer.Exit(code)


@app.command()
def revoke(
    issued_before: options.IssuedBefore,
    namespace: options.RevokedNamespaces = None,
    membership: options.RevokedMember = "",
    output: Annotated[
        RevocationFormat, typer.Option("--output", "-o", help="How to print it.")
    ] = RevocationFormat.TEXT,
    *,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
) -> None:
    """End every key that was issued before a moment, such as after a leak or a restore of etcd.

    With the rights of the KUBECONFIG's user, who must be allowed to list, delete and revoke ApiKeys; also while Tenure
    is stopped. It deletes the ApiKeys: one that Git holds comes back with a new token.

    Exit code 0: no such key works any more. 1: not every one is ended; the table says which, and why. 2: every one is
    ended, and there are others of which nobody can tell when they were issued; the table names them.
    """
    from tenure.revocation.command import revoke as end_issued
    from tenure.revocation.survey import Scope

    scope = Scope(parse_moment(issued_before), tuple(namespace or ()), membership)
    if code := end_issued(scope, dry_run=dry_run, yes=yes, output=output):
        raise typer.Exit(code)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer passes the flag's value by position
    if wanted:
        typer.echo(f"tenure {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """Run the command; an error of ours is one line on standard error and exit code 1."""
    drop_service_links()
    load_when_used()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # Looking for some reads all installed packages.
    try:
        app()
    except TenureError as error:
        print(f"tenure: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
