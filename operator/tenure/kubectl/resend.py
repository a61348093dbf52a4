"""`invite --resend`: ask the mail process to send invitations again, which only it can sign.

It takes Kubernetes tokens of its own audience only. The API server gives those to ServiceAccounts, so the command asks
for one of a ServiceAccount, with the caller's rights.
"""

import asyncio
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tenure.domain.resources import Membership
from tenure.domain.resources.base import GROUP
from tenure.domain.resources.membership import fold
from tenure.errors import ForbiddenError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.kube.session import opened
from tenure.kubectl.formats import ExitCode, WrongUsageError
from tenure.kubectl.options import InviteOptions
from tenure.kubectl.output import Line, emit
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.snapshot import Snapshot

AUDIENCE = "tenure-mail"
TIMEOUT_SECONDS = 30.0

_SHORTEST_LIFE = 600
"""Seconds: the API server gives out no token for less."""

_ACCEPTED, _CONFLICT = 202, 409


@dataclass(frozen=True)
class Resent:
    """The answer about a member's letter.

    Attributes:
        error: Why no letter is sent, or empty.
        impossible: Whether there is no letter to send, for example because the member has accepted.
    """

    member: str
    requested_at: str | None
    error: str = ""
    impossible: bool = False


@dataclass(frozen=True)
class ResentPage:
    """The answers about the letters of several members."""

    namespace: str
    letters: tuple[Resent, ...]


def resend(options: InviteOptions) -> ExitCode:
    """Ask for another letter to each member."""
    if not options.mail_url or not options.service_account:
        raise WrongUsageError(
            "--resend needs --mail-url, the address of the accept page, and --service-account, a ServiceAccount of the "
            "namespace that may update Memberships"
        )
    _check_url(options.mail_url)
    page = asyncio.run(_resend(options))
    names = (f"membership.{GROUP}/{one.member}" for one in page.letters if not one.error)
    emit(page, options.output, lambda: [Line(_told(one)) for one in page.letters], names)
    if all(not one.error for one in page.letters):
        return ExitCode.DONE
    return ExitCode.NO if all(one.impossible for one in page.letters if one.error) else ExitCode.FAILED


async def ask(session: aiohttp.ClientSession, base: str, token: str, namespace: str, name: str) -> Resent:
    """Ask the mail process for another letter to a member."""
    url = f"{base.rstrip('/')}/v1/invitations/{namespace}/{name}:resend"
    try:
        async with session.post(url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False) as answer:
            status, found = answer.status, _object(await answer.text())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Resent(name, None, f"{url}: {' '.join(str(error).split()) or 'no answer in time'}. Check --mail-url")
    if found is None:
        return Resent(
            name,
            None,
            f"{url}: HTTP {status}, and the answer isn't one of the mail process. Check --mail-url: it is the part of "
            "a letter's link before /invitations/",
        )
    if status == _ACCEPTED:
        return Resent(name, str(found.get("requestedAt") or ""))
    return Resent(name, None, str(found.get("error") or f"{url}: HTTP {status}"), impossible=status == _CONFLICT)


def _object(text: str) -> dict[str, Any] | None:
    """Return a JSON object, or None if the text is something else, such as the page of another server."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def find_members(snapshot: Snapshot, asked: Sequence[str]) -> list[str]:
    """Return the names of members that are given by name or by address.

    Raises:
        ViewError: there is no such member.
    """
    by_address = {fold(one.spec.subject.name): one.name for one in snapshot.members if one.is_person}
    names = [by_address.get(fold(one)) or snapshot.member(one).name for one in asked]
    return list(dict.fromkeys(names))


async def _resend(options: InviteOptions) -> ResentPage:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with opened(options.context, options.namespace) as session, aiohttp.ClientSession(timeout=timeout) as http:
        snapshot = await session.snapshot()
        snapshot.require(Membership)
        names = find_members(snapshot, options.addresses)
        if not names:
            raise WrongUsageError("--resend needs at least one member, by name or by e-mail address")
        token = await _token(session.cluster, session.namespace, options.service_account)
        letters = [await ask(http, options.mail_url, token, session.namespace, name) for name in names]
        return ResentPage(session.namespace, tuple(letters))


async def _token(cluster: Cluster, namespace: str, name: str) -> str:
    """Return a token of a ServiceAccount for the mail process alone."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    spec = {"audiences": [AUDIENCE], "expirationSeconds": _SHORTEST_LIFE}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    try:
        return str((await cluster.review(path, body))["status"]["token"])
    except ObjectNotFoundError:
        raise ViewError(
            f"there is no ServiceAccount {name!r} in namespace {namespace}. Create it, and let it update Memberships:\n"
            f"  kubectl create serviceaccount {name} -n {namespace}\n"
            f"  kubectl create role {name} -n {namespace} --verb=update --resource=memberships.tenure.dev\n"
            f"  kubectl create rolebinding {name} -n {namespace} --role={name} --serviceaccount={namespace}:{name}"
        ) from None
    except ForbiddenError:
        raise ViewError(
            f"you may not create tokens of ServiceAccount {namespace}/{name}. To check: kubectl auth can-i create "
            f"serviceaccounts/{name} --subresource=token -n {namespace}"
        ) from None


def _check_url(text: str) -> None:
    """Refuse to send a token where others could read it."""
    url = urlsplit(text)
    if url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.hostname or "")):
        return
    raise WrongUsageError(f"--mail-url: {text!r} isn't an https address, for example https://join.acme.io")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _told(one: Resent) -> str:
    return f"{one.member}: {one.error}" if one.error else f"{one.member}: another letter was asked for"
