"""The commands that show a change, or make it with `--apply`."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from tenure.domain.roles import Role
from tenure.errors import ApiError, ConflictError, ForbiddenError, RejectedError
from tenure.kube.edits import make_as_shown, rejection, try_edit
from tenure.kube.session import Session, opened
from tenure.kubectl import text
from tenure.kubectl.formats import ExitCode, OutputFormat, WrongUsageError
from tenure.kubectl.options import (
    ChangeOptions,
    HandOverOptions,
    InviteOptions,
    KeyOptions,
    PreviewOptions,
    RemoveOptions,
    ResumeOptions,
    RevokeKeyOptions,
    SuspendOptions,
)
from tenure.kubectl.output import emit, say
from tenure.viewmodel import edits
from tenure.viewmodel.edits import Edit, EditsPage
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.invitations import InvitationsPage, invitations_page, split_addresses
from tenure.viewmodel.preview import PreviewPage, combined, removal_preview, role_preview
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import as_document, as_yaml

STANDARD_INPUT = "-"

Plan = Callable[[Snapshot], Sequence[Edit]]
"""Returns the changes that a command makes, from the objects as they are."""


def rotate(options: KeyOptions) -> ExitCode:
    """Rotate a key."""
    return asyncio.run(_change(options, lambda snapshot: edits.rotate(snapshot, options.key)))


def hand_over(options: HandOverOptions) -> ExitCode:
    """Give keys to another member."""
    return asyncio.run(_change(options, lambda snapshot: edits.hand_over(snapshot, options.keys, options.to)))


def revoke(options: RevokeKeyOptions) -> ExitCode:
    """Revoke a key."""
    return asyncio.run(_change(options, lambda snapshot: edits.revoke(snapshot, options.key, reissue=options.reissue)))


def suspend(options: SuspendOptions) -> ExitCode:
    """Suspend a member, a key or the organization."""
    _check_target(options)
    if options.reason and not options.member:
        raise WrongUsageError("--reason is only for a member. Leave it out")
    return asyncio.run(
        _change(
            options,
            lambda snapshot: edits.suspend(snapshot, member=options.member, key=options.key, reason=options.reason),
        )
    )


def resume(options: ResumeOptions) -> ExitCode:
    """Lift a suspension."""
    _check_target(options)
    return asyncio.run(
        _change(options, lambda snapshot: edits.resume(snapshot, member=options.member, key=options.key))
    )


def preview(options: PreviewOptions) -> ExitCode:
    """Show a role change, and make it with `--apply`."""
    return asyncio.run(
        _preview(options, lambda snapshot: role_preview(snapshot, options.member, options.role, options.keep))
    )


def remove(options: RemoveOptions) -> ExitCode:
    """Show the removal of a member, and make it with `--apply`."""
    return asyncio.run(_preview(options, lambda snapshot: removal_preview(snapshot, options.member)))


def invite(options: InviteOptions) -> ExitCode:
    """Print Memberships for addresses, or create them with `--apply`."""
    if options.role is None:
        raise WrongUsageError("--role is missing. Give the role of the new members, for example --role Viewer")
    addresses = [one for text in options.addresses if text != STANDARD_INPUT for one in split_addresses(text)]
    if not options.addresses or STANDARD_INPUT in options.addresses:
        if sys.stdin.isatty():
            say("tenure: reading e-mail addresses from standard input. Ctrl-D ends them")
        addresses += split_addresses(sys.stdin.read())
    return asyncio.run(_invite(options, addresses, options.role))


async def _change(options: ChangeOptions, plan: Callable[[Snapshot], EditsPage]) -> ExitCode:
    async with opened(options.context, options.namespace) as session:
        page = plan(await session.snapshot())
        code = ExitCode.DONE
        if options.apply:
            code = _obstacle(options, page.changes)
            if code is ExitCode.DONE:
                _confirm(options, page.changes)
                code, warnings = await _make(session, page.changes, lambda snapshot: plan(snapshot).changes)
                page = replace(page, applied=code is ExitCode.DONE, warnings=tuple(warnings))
        if code is not ExitCode.FAILED:
            names = (edit.resource_name for edit in page.changes)
            emit(page, options.output, lambda: text.edits_text(page), names)
        return code


async def _preview(options: ChangeOptions, plan: Callable[[Snapshot], PreviewPage]) -> ExitCode:
    async with opened(options.context, options.namespace) as session:
        page = plan(await session.snapshot())
        page = replace(page, verdict=combined([await try_edit(session.cluster, edit) for edit in page.edits]))
        shown = text.preview_text(page, applying=options.apply)
        emit(page, options.output, lambda: shown, (edit.resource_name for edit in page.edits))
        if page.verdict is None or not page.verdict.allowed:
            return ExitCode.NO
        if not options.apply:
            return ExitCode.DONE
        if (code := _obstacle(options, page.edits)) is not ExitCode.DONE:
            return code
        _confirm(options, page.edits)
        code, _ = await _make(session, page.edits, lambda snapshot: plan(snapshot).edits)
        if code is ExitCode.DONE:
            for edit in page.edits:
                say(f"{edit}: {edit.summary}. Done.")
        return code


async def _invite(options: InviteOptions, addresses: Sequence[str], role: Role) -> ExitCode:
    async with opened(options.context, options.namespace) as session:
        page = invitations_page(await session.snapshot(), addresses, role)
        for one in page.existing:
            say(f"tenure: {one.address} is a member already: {one.name}, {one.role}")
        code = ExitCode.DONE
        if options.apply and page.invitations:
            code = _obstacle(options, page.invitations)
            if code is ExitCode.DONE:
                code, warnings = await _make(session, page.invitations, lambda _: ())
                page = replace(page, applied=code is ExitCode.DONE, warnings=tuple(warnings))
        if code is not ExitCode.FAILED:
            _emit_invitations(page, options.output)
        return code


def _emit_invitations(page: InvitationsPage, output: OutputFormat) -> None:
    """Print the Memberships. As YAML and JSON they are manifests, which `kubectl create -f -` takes."""
    manifests = [as_document(edit.manifest) for edit in page.invitations]
    if output is OutputFormat.JSON:
        emit({"apiVersion": "v1", "kind": "List", "items": manifests}, output, list, [])
    elif output is OutputFormat.YAML:
        sys.stdout.write(f"{as_yaml(*manifests)}\n" if manifests else "")
    else:
        names = (edit.resource_name for edit in page.invitations)
        emit(page, output, lambda: text.invitations_text(page), names)


def _check_target(options: ResumeOptions) -> None:
    if sum((bool(options.member), bool(options.key), options.organization)) != 1:
        raise WrongUsageError("give exactly one of: a member, --key NAME, --organization")


def _obstacle(options: ChangeOptions, changes: Sequence[Edit]) -> ExitCode:
    """Say which objects a tool manages, which are changed only if the caller insists."""
    managed = [edit for edit in changes if not edit.stays]
    if not managed or options.even_if_managed:
        return ExitCode.DONE
    first = managed[0]
    whose = f"its Organization is managed by {first.managed_by}" if not first.uid else f"managed by {first.managed_by}"
    say(
        f"tenure: no object was changed, because {first} isn't yours to change by hand: {whose}. Change it in Git, or "
        "add --even-if-managed. The tool may then revert it"
    )
    return ExitCode.NO


def _confirm(options: ChangeOptions, changes: Sequence[Edit]) -> None:
    """Ask before tokens are revoked."""
    if options.yes or not any(edit.revokes for edit in changes):
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ViewError(
            "no object was changed: this revokes tokens, and there is no terminal to ask you. Add --yes, or leave out "
            "--apply to only look at it"
        )
    for edit in changes:
        say(f"{edit}: {edit.summary}")
    sys.stderr.write("This revokes tokens. Go on? [y/N]: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ViewError("no object was changed")


async def _make(session: Session, changes: Sequence[Edit], plan: Plan) -> tuple[ExitCode, list[str]]:
    """Make the changes one after the other, and say which of them failed."""
    warnings: list[str] = []
    code = ExitCode.DONE
    for number, edit in enumerate(changes):
        try:
            warnings += await _make_one(session, edit, plan)
        except ApiError as error:
            say(f"tenure: {edit}: {_failure(edit, error)}")
            code = ExitCode.FAILED
            done = [str(one) for one in changes[:number]]
            if len(changes) > 1:
                left = [str(one) for one in changes[number:]]
                say(f"tenure: done: {', '.join(done) or '-'}. Not done: {', '.join(left)}")
            break
    for warning in warnings:
        say(f"Warning: {warning}")
    return code, warnings


async def _make_one(session: Session, edit: Edit, plan: Plan) -> list[str]:
    """Make a change, unless the object changed so that it would be another one than was shown."""

    async def renew() -> Edit | None:
        planned = plan(await session.snapshot())
        return next((one for one in planned if one.same_as(edit)), None)

    return await make_as_shown(session.cluster, edit, renew)


def _failure(edit: Edit, error: ApiError) -> str:
    if isinstance(error, ConflictError):
        what = "there is another object of that name" if not edit.uid else "it changed since it was read"
        return f"no object was written, because {what}. Run the command again"
    if isinstance(error, ForbiddenError | RejectedError):
        return f"rejected: {rejection(error)}"
    return str(error)
