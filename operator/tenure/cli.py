"""The command line of Tenure. Each command imports its own program, so it doesn't wait for the imports of others."""

import os
import sys
from typing import Annotated

import typer

from tenure.console.options import ConsoleOptions
from tenure.environment import drop_service_links, refuse_unknown_variables
from tenure.errors import TenureError
from tenure.impact.options import ImpactOptions
from tenure.observability.logs import configure_logs
from tenure.options import variables_of, version_option, with_options
from tenure.revocation.options import RevokeOptions
from tenure.settings import (
    ConsoleSettings,
    MailSettings,
    ProcessSettings,
    RunSettings,
    VerifierSettings,
    WebhookSettings,
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
@with_options(RunSettings)
def run(settings: RunSettings) -> None:
    """Run the operator in its cluster, or in the cluster that KUBECONFIG names.

    The cluster needs the CustomResourceDefinitions, and the operator needs its rights. If the webhooks are installed,
    the operator serves them too. On SIGTERM, it finishes the write in flight and stops.
    """
    _begin(settings)

    from tenure.controller.process import run as run_operator

    run_operator(settings)


@app.command()
@with_options(WebhookSettings)
def webhook(settings: WebhookSettings) -> None:
    """Serve only the admission webhooks, in any number of replicas.

    Run `tenure run --no-webhooks` beside it, which issues and revokes the keys.
    """
    _begin(settings)

    from tenure.admission.process import run as run_webhook

    run_webhook(settings)


@app.command()
@with_options(VerifierSettings)
def verifier(settings: VerifierSettings) -> None:
    """Verify tokens over HTTP, in any number of replicas.

    The verifier can't read Secrets.
    """
    _begin(settings)

    from tenure.verifier.process import run as run_verifier

    run_verifier(settings)


mail_app = typer.Typer(rich_markup_mode=None)
app.add_typer(mail_app, name="mail")


@mail_app.callback(invoke_without_command=True)
@with_options(MailSettings, beside_others=True)
def mail(settings: MailSettings) -> None:
    """Send invitations and notices by mail, in any number of replicas. One of them sends.

    It can't read Secrets, and the only field that it writes is `status.invitation` of Memberships.
    """
    _begin(settings)

    from tenure.mail.process import run as run_mail

    run_mail(settings)


@mail_app.command("new-key")
def new_key(
    *,
    namespace: Annotated[str, typer.Option(help="Namespace of the Secret.")] = "tenure-system",
    name: Annotated[str, typer.Option(help="Name of the Secret.")] = "tenure-mail-signing",
) -> None:
    """Print a Secret with a new key that signs the links of invitations. It isn't stored anywhere.

    The first one: tenure mail new-key | kubectl create -f -

    Further ones, which are added to it: tenure mail new-key | kubectl patch secret tenure-mail-signing
    --namespace tenure-system --patch-file /dev/stdin
    """
    from tenure.mail.signing import new_key as make_key
    from tenure.process.clock import utc_now

    typer.echo(make_key(utc_now(), namespace, name), nl=False)


@app.command()
@with_options(ConsoleOptions)
def console(options: ConsoleOptions) -> None:
    """Show members and keys in your browser, preview changes, and make them, with your own rights.

    The console listens on 127.0.0.1 and uses your kubeconfig. Open the address that it prints. It has a secret in it
    that is new at each start.
    """
    from tenure.console.process import run as run_console

    run_console(options)


@app.command("console-server")
@with_options(ConsoleSettings)
def console_server(settings: ConsoleSettings) -> None:
    """Serve the console behind a login, in any number of replicas, to each person with their own rights.

    A proxy in front logs people in and passes their ID token on, as `Authorization: Bearer`. The console trusts no
    other header.
    """
    _begin(settings)

    from tenure.console.server import run as run_server

    run_server(settings)


def _begin(settings: ProcessSettings) -> None:
    refuse_unknown_variables(variables_of(type(settings)))
    configure_logs(settings.log_format, settings.log_level)


@app.command()
def probe(
    url: Annotated[
        str, typer.Argument(help="Address of the webhooks, for example https://tenure-webhook.tenure-system.svc.")
    ],
) -> None:
    """Check that the webhooks reject invalid requests.

    Exit code 0: they rejected all of them. 1: they allowed one, or they can't be reached.
    """
    from tenure.admission.selftest import probe as probe_webhook

    if flaw := probe_webhook(url):
        typer.echo(f"tenure: {url}: {flaw}", err=True)
        raise typer.Exit(1)
    typer.echo("the webhooks rejected all invalid requests")


@app.command()
@with_options(ImpactOptions)
def impact(options: ImpactOptions) -> None:
    """Show which API keys a change to your manifests revokes.

    It compares two trees of manifests and needs no cluster.

    Exit code 0: the webhooks would allow every change. 2: they would reject one, or the change revokes keys that
    nobody acknowledged. 1: a manifest is invalid.
    """
    from tenure.impact.command import impact as report_impact

    if code := report_impact(options):
        raise typer.Exit(code)


@app.command()
@with_options(RevokeOptions)
def revoke(options: RevokeOptions) -> None:
    """Revoke every API key that was issued before a moment, for example after a leak or a restore of etcd.

    You need the rights to list, delete and revoke ApiKeys in the cluster of your kubeconfig. Tenure may be stopped.
    The command prints the cluster and the context. It deletes the ApiKeys. If Git holds one of them, it comes back with
    a new token.

    Exit code 0: all of these keys are revoked. 1: some are not, and the report says which and why. 2: all of them are
    revoked, but for some other keys the time of issue is unknown. The report names them.
    """
    from tenure.revocation.command import revoke as revoke_keys

    if code := revoke_keys(options):
        raise typer.Exit(code)


@app.callback()
def _options(
    *,
    version: Annotated[bool, version_option("tenure")] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """Run the command. A `TenureError` becomes one line on standard error and exit code 1."""
    drop_service_links()
    load_when_used()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # Searching for plugins reads all installed packages.
    try:
        app()
    except TenureError as error:
        print(f"tenure: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
