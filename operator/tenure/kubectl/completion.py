"""Complete names for the shell. kubectl runs `kubectl_complete-tenure` for what you have typed so far."""

import os
import shlex
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO

import typer

_PROGRAM = "kubectl-tenure"
_NO_FILES = 4
"""kubectl's directive that no names of files are completed."""

_PATIENCE_SECONDS = 3.0


def complete_members(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of members that begin with a text, or nothing if the cluster doesn't tell them."""
    return _names("memberships", context, incomplete)


def complete_keys(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of keys that begin with a text, or nothing if the cluster doesn't tell them."""
    return _names("apikeys", context, incomplete)


def complete_contexts(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the kubeconfig's contexts that begin with a text."""
    del context
    from tenure.errors import TenureError  # noqa: PLC0415 - only for the shell
    from tenure.kube.connection import kubeconfig_paths  # noqa: PLC0415
    from tenure.kube.kubeconfig import context_names  # noqa: PLC0415

    try:
        return [name for name in context_names(kubeconfig_paths()) if name.startswith(incomplete)]
    except TenureError:
        return []


def main() -> None:
    """Print the values that complete the words that kubectl passes on, and kubectl's directive."""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # noqa: PLC0415 - only for the shell

    from tenure.kubectl.cli import app  # noqa: PLC0415 - the command line imports this module

    words = sys.argv[1:] or [""]
    completion_init()
    # Typer's protocol for bash: it prints a value on each line.
    variables = {"COMP_WORDS": shlex.join([_PROGRAM, *words[:-1]] + [words[-1]] * bool(words[-1]))}
    os.environ.update(variables | {"COMP_CWORD": str(len(words)), "_KUBECTL_TENURE_COMPLETE": "complete_bash"})
    with suppress(SystemExit), redirect_stdout(StringIO()) as printed:
        app(prog_name=_PROGRAM)
    print(*filter(None, printed.getvalue().splitlines()), f":{_NO_FILES}", sep="\n")  # noqa: T201


def _names(plural: str, context: typer.Context, incomplete: str) -> list[str]:
    import asyncio  # noqa: PLC0415 - only for the shell

    # A shell shows nothing of an error, so there is nothing to do about one.
    with suppress(Exception):
        names = asyncio.run(asyncio.wait_for(_read(plural, context), timeout=_PATIENCE_SECONDS))
        return [name for name in names if name.startswith(incomplete) and name.isprintable()]
    return []


async def _read(plural: str, context: typer.Context) -> list[str]:
    from tenure.domain.resources import KINDS  # noqa: PLC0415 - only for the shell
    from tenure.kube.session import opened  # noqa: PLC0415

    (kind,) = (one for one in KINDS if one.plural == plural)
    async with opened(context.params.get("context") or "", context.params.get("namespace") or "") as session:
        return sorted(one.name for one in await session.cluster.list_in(kind, session.namespace))
