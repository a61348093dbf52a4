"""The command `tenure`."""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tenure import __version__
from tenure.domain.admission.impact import compare
from tenure.domain.installation import Installation
from tenure.errors import TenureError
from tenure.generate import changed_files, generated_files
from tenure.handlers.operator import run as run_operator
from tenure.impact.report import REPORTS, OutputFormat
from tenure.impact.trees import read_tree
from tenure.logs import configure_logs
from tenure.settings import PREFIX, LogFormat, LogLevel, Settings, refuse_unknown_variables

SHORTEST_RESYNC_SECONDS = 1.0
LONGEST_RESYNC_SECONDS = 86400.0

app = typer.Typer(
    help="Organizations, memberships and API keys as Kubernetes resources.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _variable(name: str) -> str:
    return f"{PREFIX}{name}"


_VARIABLES = tuple(_variable(name) for name in ("NAMESPACES", "RESYNC", "USERNAME_PREFIX", "LOG_FORMAT", "LOG_LEVEL"))


def _namespaces(names: list[str] | None) -> list[str]:
    names = list(dict.fromkeys(names or []))
    for name in names:
        if _NAMESPACE.fullmatch(name) is None:
            raise typer.BadParameter(
                f"{name!r} is no namespace's name: lower-case letters, digits and dashes, at most 63"
            )
    return names


@app.command()
def run(
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            help="Serve this namespace only; repeat it for several. Left out: all namespaces.",
            envvar=_variable("NAMESPACES"),
            callback=_namespaces,
        ),
    ] = None,
    resync: Annotated[
        float,
        typer.Option(
            help="Seconds between two sweeps, which list and compare everything.",
            min=SHORTEST_RESYNC_SECONDS,
            max=LONGEST_RESYNC_SECONDS,
            envvar=_variable("RESYNC"),
        ),
    ] = 300.0,
    username_prefix: Annotated[
        str,
        typer.Option(
            help="What the identity provider puts before a person's name in Kubernetes, such as 'oidc:'.",
            envvar=_variable("USERNAME_PREFIX"),
        ),
    ] = "",
    log_format: Annotated[
        LogFormat, typer.Option(help="How log lines are written.", envvar=_variable("LOG_FORMAT"))
    ] = LogFormat.TEXT,
    log_level: Annotated[
        LogLevel, typer.Option(help="Which log lines are written.", envvar=_variable("LOG_LEVEL"))
    ] = LogLevel.INFO,
) -> None:
    """Run the operator in a cluster, or against the one that KUBECONFIG names.

    It needs nothing there but the CustomResourceDefinitions and its rights. SIGTERM finishes the write in flight.
    """
    refuse_unknown_variables(_VARIABLES)
    configure_logs(log_format, log_level)
    settings = Settings(
        namespaces=tuple(namespace or ()),
        resync_seconds=resync,
        installation=Installation(username_prefix=username_prefix),
        log_format=log_format,
        log_level=log_level,
    )
    run_operator(settings)


@app.command()
def impact(
    base: Annotated[str, typer.Option(help="The tree before: a folder, a git revision, or - for standard input.")],
    head: Annotated[str, typer.Option(help="The tree after: a folder, a git revision, or - for standard input.")],
    output: Annotated[OutputFormat, typer.Option("--output", "-o", help="How to print it.")] = OutputFormat.TEXT,
    namespace: Annotated[str, typer.Option(help="Where objects belong that name no namespace.")] = "default",
) -> None:
    """Say what a change to a repository of manifests does to keys, without a cluster.

    Exit code 0: every change may pass as it is. 2: keys end and nobody acknowledged it, or a change will be refused.
    1: a manifest can't be understood.
    """
    impacts = compare(read_tree(base, namespace), read_tree(head, namespace), datetime.now(UTC))
    typer.echo(REPORTS[output](impacts), nl=False)
    if not all(one.passes for one in impacts):
        raise typer.Exit(2)


@app.command()
def generate(
    folder: Annotated[Path, typer.Option(help="The checkout's folder.", exists=True, file_okay=False)] = Path(),
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file would change.")] = False,
) -> None:
    """Write the files that follow from the code: the CustomResourceDefinitions and the reference pages."""
    changed = changed_files(folder)
    for path in changed:
        typer.echo(f"{'out of date' if check else 'written'}: {path}")
    if check and changed:
        typer.echo("run `make generate` and commit the result", err=True)
        raise typer.Exit(1)
    for path, text in generated_files().items():
        if path in changed:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")


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
    try:
        app()
    except TenureError as error:
        print(f"tenure: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
