"""The command: list the keys, ask for confirmation, revoke them, and report the result of each."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from tenure.domain.moments import parse_moment
from tenure.domain.text import printable
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection, connect_as_caller, kubeconfig_paths
from tenure.revocation.errors import RevocationError
from tenure.revocation.formats import OutputFormat
from tenure.revocation.options import RevokeOptions
from tenure.revocation.report import NOT_DONE, Report, count, preview
from tenure.revocation.revoking import Outcome, revoke_keys
from tenure.revocation.survey import Scope, Survey, survey

SHOWN_BEFORE_ASKING = 20
"""Maximum number of keys that are listed with the question."""


def revoke(options: RevokeOptions) -> int:
    """Revoke the keys that the options select, and return the exit code.

    Raises:
        RevocationError: no key was revoked. The text says why.
        StartRefusedError: no API server can be reached.
    """
    _check_chosen(options)
    scope = Scope(parse_moment(options.issued_before), options.namespaces, options.membership)
    may_ask = sys.stdin.isatty() and sys.stderr.isatty()
    if not (options.dry_run or options.yes or may_ask):
        raise RevocationError(
            "No key was revoked, because there is no terminal to ask you. Add --yes, or list the keys with --dry-run"
        )
    found, connection = asyncio.run(_look(scope, options.context))
    typer.echo(f"tenure: {printable(str(connection))}", err=True)
    report = Report(found, options.dry_run)
    _warn_of_empty_places(report.survey, scope)
    if not options.dry_run and report.survey.keys:
        if not options.yes and not _is_confirmed(report.survey):
            typer.echo("No key was revoked.", err=True)
            return NOT_DONE
        asyncio.run(_end(report, connection.context))
    typer.echo(report.as_json() if options.output is OutputFormat.JSON else report.as_text(), nl=False)
    if report.complaint:
        typer.echo(f"tenure: {report.complaint}", err=True)
    return report.exit_code


def _check_chosen(options: RevokeOptions) -> None:
    """Refuse `--yes` in whichever context kubectl last switched to."""
    chosen = options.context or os.environ.get("KUBECONFIG") or not kubeconfig_paths()
    if options.yes and not chosen:
        raise RevocationError(
            "No key was revoked: --yes asks nobody, so say which cluster you mean. Add --context NAME (kubectl config "
            "get-contexts lists the names), or set KUBECONFIG"
        )


async def _look(scope: Scope, context: str) -> tuple[Survey, Connection]:
    """Survey the keys, and return whose they are, because the current context may change before you confirm."""
    async with Cluster(await connect_as_caller(context)) as cluster:
        return await survey(cluster, scope), cluster.connection


async def _end(report: Report, context: str) -> None:
    stop = asyncio.Event()
    keys = report.survey.keys
    async with Cluster(await connect_as_caller(context)) as cluster:
        with _stopped_by_signals(stop), _progress(len(keys), report.outcomes) as note:
            await revoke_keys(cluster, keys, report.survey.cutoff, stop, note)


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Stop after the writes in flight at the first SIGINT or SIGTERM, and immediately at the second."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def end() -> None:
        stop.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, end)
    try:
        yield
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


@contextmanager
def _progress(length: int, outcomes: list[Outcome]) -> Iterator[Callable[[Outcome], None]]:
    """Collect the outcomes, and show a progress bar if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield outcomes.append
        return
    with typer.progressbar(length=length, label="Revoking keys", show_pos=True, file=sys.stderr) as bar:

        def note(outcome: Outcome) -> None:
            outcomes.append(outcome)
            bar.update(1)

        yield note


def _is_confirmed(found: Survey) -> bool:
    typer.echo(preview(found.keys, SHOWN_BEFORE_ASKING), err=True, nl=False)
    namespaces = len({key.namespace for key in found.keys})
    where = f"in {namespaces} namespace{'s' * (namespaces != 1)}"
    # Typer's own question would write a part of itself to standard output.
    typer.echo(f"Revoke {count(len(found.keys))} {where}? [y/N]: ", err=True, nl=False)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _warn_of_empty_places(found: Survey, scope: Scope) -> None:
    """Warn if a namespace or a member has no ApiKey, so that a mistyped name doesn't look like success."""
    whose = f" of member {scope.membership}" if scope.membership else ""
    for place, number in found.looked_at.items():
        if number == 0 and (place or whose):
            where = f"namespace {place} has" if place else "there is"
            typer.echo(f"tenure: {where} no ApiKey{whose}. Check the name.", err=True)
