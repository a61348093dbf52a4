"""The commands that only read the cluster: members, keys, whoami, can and token."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tenure.domain.durations import parse_duration
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import Level
from tenure.domain.secret import SecretFacts
from tenure.errors import ForbiddenError, ObjectNotFoundError
from tenure.kube.secrets import secret_path
from tenure.kube.session import Session, opened
from tenure.kube.snapshots import find_namespaces, is_allowed, read_identity, read_snapshot
from tenure.kubectl import text
from tenure.kubectl.formats import ExitCode, OutputFormat
from tenure.kubectl.options import CallOptions, CanOptions, KeysOptions, TokenOptions, in_hours
from tenure.kubectl.output import emit
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.identity import CanPage, WhoamiPage, can_page, question, whoami_page
from tenure.viewmodel.keys import keys_page
from tenure.viewmodel.members import members_page
from tenure.viewmodel.snapshot import Snapshot


def members(options: CallOptions) -> ExitCode:
    """Print the members."""
    page = members_page(asyncio.run(_snapshot(options)))
    emit(page, options.output, lambda: text.members_text(page), (_name("membership", row.name) for row in page.members))
    return ExitCode.DONE


def keys(options: KeysOptions) -> ExitCode:
    """Print keys."""
    expiring = parse_duration(in_hours(options.expiring)) if options.expiring else None
    page = keys_page(asyncio.run(_snapshot(options)), options.member, unused=options.unused, expiring=expiring)
    names = (_name("apikey", row.name) for row in page.keys)
    emit(page, options.output, lambda: text.keys_text(page, unused=options.unused), names)
    return ExitCode.DONE


def whoami(options: CallOptions) -> ExitCode:
    """Print who the caller is."""
    page = asyncio.run(_whoami(options))
    names = (_name("membership", one.member) for one in page.memberships)
    emit(page, options.output, lambda: text.whoami_text(page), names)
    return ExitCode.DONE


def can(options: CanOptions) -> ExitCode:
    """Print whether the caller has a capability."""
    page = asyncio.run(_can(options))
    emit(page, options.output, lambda: text.can_text(page), [page.capability.value] if page.allowed else [])
    return ExitCode.DONE if page.allowed else ExitCode.NO


def token(options: TokenOptions) -> ExitCode:
    """Print the token of a key."""
    if sys.stdout.isatty() and not options.show and options.output is not OutputFormat.NAME:
        raise ViewError(
            "a token isn't printed to a terminal, because it would stay in the scrollback. Pipe it to "
            "a program, or add --show"
        )
    found = asyncio.run(_token(options))
    page = {"name": options.key, "token": found}
    if options.output is OutputFormat.TEXT:
        print(found)  # noqa: T201
    else:
        emit(page, options.output, list, [_name("apikey", options.key)])
    return ExitCode.DONE


async def _snapshot(options: CallOptions) -> Snapshot:
    async with opened(options.context, options.namespace) as session:
        return await session.snapshot()


async def _whoami(options: CallOptions) -> WhoamiPage:
    async with opened(options.context, options.namespace) as session:
        requester = await read_identity(session.cluster)
        found = None if options.namespace else await find_namespaces(session.cluster, requester)
        places = [session.namespace] if found is None else found
        snapshots = [await read_snapshot(session.cluster, place) for place in places]
        return whoami_page(requester, snapshots, [session.namespace] if found is None else None)


async def _can(options: CanOptions) -> CanPage:
    level = Level[options.level.upper()]
    async with opened(options.context, options.namespace) as session:
        requester = await read_identity(session.cluster)
        snapshot = await session.snapshot()
        page = can_page(snapshot, requester, options.capability, level)
        if snapshot.organization is None:
            return page
        asked = question(session.namespace, snapshot.organization.name, options.capability, level)
        return replace(page, kubernetes=await is_allowed(session.cluster, asked))


async def _token(options: TokenOptions) -> str:
    async with opened(options.context, options.namespace) as session:
        name, uid = await _secret_of(session, options.key)
        try:
            secret = await session.cluster.read(secret_path(session.namespace, name))
        except ForbiddenError:
            raise ViewError(
                f"you may not read Secret {session.namespace}/{name}. Members may read those of their own keys, if "
                f"Tenure gives them rights in Kubernetes. To check: kubectl auth can-i get secret/{name} -n "
                f"{session.namespace}"
            ) from None
        return token_in(secret, uid)


def token_in(secret: Mapping[str, Any], uid: str | None) -> str:
    """Return the token in a key's Secret. Somebody who may edit Secrets may have put another text there.

    Raises:
        ViewError: it is another Secret, or it holds no token.
    """
    facts, place = SecretFacts.from_body(secret), f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
    if facts.uid != uid:
        raise ViewError(f"Secret {place} isn't the one that Tenure wrote. Try again in a minute")
    if facts.token is None:
        raise ViewError(
            f"Secret {place} holds no token, because somebody edited it. Tenure replaces it within a few minutes"
        )
    return facts.token.reveal()


async def _secret_of(session: Session, name: str) -> tuple[str, str | None]:
    """Return the name and the uid of a key's Secret, because another Secret may have its name."""
    try:
        key = await session.cluster.get(ApiKey, session.namespace, name)
    except ObjectNotFoundError:
        raise ViewError(
            f"there is no ApiKey {name!r} in namespace {session.namespace}. To list them: kubectl tenure keys -n "
            f"{session.namespace}"
        ) from None
    if key.status.secret_name is None:
        raise ViewError(
            f"ApiKey {name} has no token at present. To see why: kubectl tenure keys -n {session.namespace}"
        )
    return key.status.secret_name, key.status.secret_uid


def _name(kind: str, name: str) -> str:
    return f"{kind}.{GROUP}/{name}"
