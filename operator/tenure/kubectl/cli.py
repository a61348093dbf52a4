"""The command line of `kubectl tenure`. Each command imports what it needs when it runs."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from tenure import __version__
from tenure.errors import TenureError
from tenure.kubectl.formats import ExitCode, WrongUsageError
from tenure.kubectl.options import (
    CallOptions,
    CanOptions,
    HandOverOptions,
    HistoryOptions,
    InviteOptions,
    KeyOptions,
    KeysOptions,
    PreviewOptions,
    RemoveOptions,
    ResumeOptions,
    RevokeKeyOptions,
    SuspendOptions,
    TokenOptions,
)
from tenure.options import version_option, with_options
from tenure.unused import load_when_used

NAME = "kubectl tenure"
_SHORT = re.compile(r"-[a-z]=")

app = typer.Typer(
    help="See the members and keys of an organization, preview changes, and make them, with your own rights.",
    epilog="Exit codes: 0 done, or yes. 1 an error. 2 a wrong command line. 3 no: the cluster rejects the change, a "
    "tool such as Argo CD manages the object, or you can't do what you asked about.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
@with_options(CallOptions)
def members(options: CallOptions) -> None:
    """List the members, with role, keys, latest role change, and who manages the Membership."""
    from tenure.kubectl import listing

    _end(listing.members(options))


@app.command()
@with_options(KeysOptions)
def keys(options: KeysOptions) -> None:
    """List the keys, with age, expiry, last use and former tokens.

    If the last use is unknown, the key isn't called unused.
    """
    from tenure.kubectl import listing

    _end(listing.keys(options))


@app.command()
@with_options(PreviewOptions)
def preview(options: PreviewOptions) -> None:
    """Show what a role change does to keys, and whether the cluster would accept it.

    The cluster tries the change with your rights and doesn't store it. You get the patch, the YAML and the
    acknowledgement.
    """
    from tenure.kubectl import changing

    _end(changing.preview(options))


@app.command()
@with_options(KeyOptions)
def rotate(options: KeyOptions) -> None:
    """Replace the token of a key, and keep the former one valid for the overlap."""
    from tenure.kubectl import changing

    _end(changing.rotate(options))


@app.command("hand-over")
@with_options(HandOverOptions)
def hand_over(options: HandOverOptions) -> None:
    """Give keys to another member. They get new tokens, and the former ones stay valid for the overlap."""
    from tenure.kubectl import changing

    _end(changing.hand_over(options))


@app.command()
@with_options(RevokeKeyOptions)
def revoke(options: RevokeKeyOptions) -> None:
    """Revoke a key. With --reissue the key stays, and gets a new token."""
    from tenure.kubectl import changing

    _end(changing.revoke(options))


@app.command()
@with_options(RemoveOptions)
def remove(options: RemoveOptions) -> None:
    """Show what the removal of a member does to keys, and whether the cluster would accept it."""
    from tenure.kubectl import changing

    _end(changing.remove(options))


@app.command()
@with_options(SuspendOptions)
def suspend(options: SuspendOptions) -> None:
    """Suspend a member, a key or the organization. No object is deleted, and you can undo it."""
    from tenure.kubectl import changing

    _end(changing.suspend(options))


@app.command()
@with_options(ResumeOptions)
def resume(options: ResumeOptions) -> None:
    """Lift the suspension of a member, a key or the organization."""
    from tenure.kubectl import changing

    _end(changing.resume(options))


@app.command()
@with_options(InviteOptions)
def invite(options: InviteOptions) -> None:
    """Print a Membership for each e-mail address, or create them. With --resend, send invitations again."""
    from tenure.kubectl import changing

    if options.resend:
        from tenure.kubectl.resend import resend

        _end(resend(options))
        return
    _end(changing.invite(options))


@app.command()
@with_options(CallOptions)
def whoami(options: CallOptions) -> None:
    """Show your name in the cluster, and your organizations, roles and keys."""
    from tenure.kubectl import listing

    _end(listing.whoami(options))


@app.command()
@with_options(CanOptions)
def can(options: CanOptions) -> None:
    """Tell whether your role has a capability, and why or why not. Exit code 0: yes. 3: no."""
    from tenure.kubectl import listing

    _end(listing.can(options))


@app.command()
@with_options(HistoryOptions)
def history(options: HistoryOptions) -> None:
    """Show from Git who changed which role when, and which keys that revoked. It needs no cluster."""
    from tenure.kubectl import git

    _end(git.history(options))


@app.command()
@with_options(TokenOptions)
def token(options: TokenOptions) -> None:
    """Print the token of a key, if you may read its Secret. It isn't printed to a terminal without --show."""
    from tenure.kubectl import listing

    _end(listing.token(options))


def _end(code: ExitCode) -> None:
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


@app.callback()
def _options(
    *,
    version: Annotated[bool, version_option(NAME)] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """Run the command. An error becomes a message on standard error and an exit code, and never a traceback."""
    load_when_used()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # Searching for plugins reads all installed packages.
    _guarded(lambda: app(as_kubectl(sys.argv[1:]), prog_name=NAME))


def as_kubectl(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with short options as Typer takes them. kubectl takes `-o=json` too."""
    found: list[str] = []
    for number, argument in enumerate(arguments):
        if argument == "--":
            return [*found, *arguments[number:]]
        found += [argument[:2], argument[3:]] if _SHORT.match(argument) else [argument]
    return found


def _guarded(run: Callable[[], object]) -> None:
    try:
        run()
    except WrongUsageError as error:
        _fail(str(error), ExitCode.WRONG)
    except TenureError as error:
        _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would try to write the rest at its end.
        raise SystemExit(ExitCode.FAILED) from None
    except Exception as error:  # noqa: BLE001 - a person gets a sentence for a bug, too
        _fail(f"this is a bug of {NAME} {__version__}: {type(error).__name__}: {error}. Please report it")


def _fail(message: str, code: ExitCode = ExitCode.FAILED) -> None:
    from tenure.kubectl.output import say

    say(f"tenure: {message}")
    raise SystemExit(code) from None
