"""Find the keys to revoke, with the rights of the person who runs the command, before anything is changed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tenure.domain.cutoff import Age, Cutoff
from tenure.domain.permissions import REVOKE
from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import GROUP
from tenure.errors import ApiError, KindNotServedError, MalformedObjectError, UnauthorizedError, UnavailableError
from tenure.kube.cluster import Cluster
from tenure.kube.objects import parse
from tenure.kube.right import Right, is_allowed
from tenure.revocation.errors import RevocationError

NEEDED = Right(GROUP, ApiKey.plural, ("list", "delete", REVOKE))
"""The rights that the command needs.

The API server doesn't send a deletion to the webhooks if the person has the virtual verb `revoke`, so the command
works with Tenure stopped.
"""

_OF_A_MEMBER = ("spec.membership", "status.issued.membership", "status.previous.issued.membership")
"""The fields that name the Membership of a key and of its tokens. They differ if the key was handed over."""

PATIENCE = 10
"""Maximum number of attempts while the API server asks to retry later."""
LONGEST_WAIT_SECONDS = 10.0
"""Maximum wait between two attempts."""


@dataclass(frozen=True)
class Scope:
    """The keys that the command considers.

    Attributes:
        issued_before: A moment, or how long ago it was.
        namespaces: Namespaces of the keys. Empty means all namespaces.
        membership: Name of the Membership of the keys, or of one of their tokens. Empty means all Memberships.
    """

    issued_before: datetime | timedelta
    namespaces: Sequence[str] = ()
    membership: str = ""

    @property
    def places(self) -> Sequence[str | None]:
        """The namespaces to list. None stands for all namespaces in one list."""
        return self.namespaces or [None]


@dataclass(frozen=True)
class Unclear:
    """A key whose time of issue is unknown, with the reason in `doubt`."""

    namespace: str
    name: str
    member: str
    doubt: str


@dataclass(frozen=True)
class Survey:
    """The keys that were found."""

    cutoff: Cutoff
    keys: list[ApiKey] = field(default_factory=list)
    """The keys to revoke, in the order of namespace and name."""

    unclear: list[Unclear] = field(default_factory=list)
    looked_at: dict[str, int] = field(default_factory=dict)
    """Number of ApiKeys of any age in each listed namespace. The empty name stands for all namespaces."""


async def survey(cluster: Cluster, scope: Scope) -> Survey:
    """List all keys in the scope, and find those that were issued before its moment.

    Raises:
        RevocationError: a right is missing, the moment is in the future, or the API server doesn't answer.
    """
    server = cluster.connection.server
    try:
        found = await _survey(cluster, scope)
    except ValueError as error:
        raise RevocationError(f"--issued-before: {error}. Use 0s to revoke all keys") from error
    except KindNotServedError as error:
        raise RevocationError(
            f"No key was revoked: the cluster at {server} has no Tenure. Check KUBECONFIG. ({error})"
        ) from error
    except UnauthorizedError as error:
        raise RevocationError(
            f"No key was revoked: the API server at {server} rejects your credentials: {error}"
        ) from error
    except UnavailableError as error:
        raise RevocationError(f"No key was revoked: the API server at {server} doesn't answer: {error}") from error
    except ApiError as error:
        raise RevocationError(f"No key was revoked: {error}") from error
    found.keys.sort(key=lambda key: (key.namespace, key.name))
    found.unclear.sort(key=lambda key: (key.namespace, key.name))
    return found


async def _survey(cluster: Cluster, scope: Scope) -> Survey:
    """List the keys, and retry if the API server asks for that with `Retry-After`, as it does just after its start."""
    for tries_left in reversed(range(PATIENCE)):
        try:
            for place in scope.places:
                await _check_rights(cluster, place)
            found = Survey(Cutoff.of(scope.issued_before, await cluster.clock()))
            for place in scope.places:
                await _look(cluster, place, scope.membership, found)
        except UnavailableError as error:
            if error.retry_after is None or not tries_left:
                raise
            await asyncio.sleep(min(error.retry_after, LONGEST_WAIT_SECONDS))
        else:
            return found
    raise AssertionError("unreachable")


async def _look(cluster: Cluster, place: str | None, membership: str, found: Survey) -> None:
    count = 0
    async for body in _bodies(cluster, place, membership):
        count += 1
        try:
            api_key = parse(ApiKey, body)
        except MalformedObjectError as error:
            found.unclear.append(_malformed(body, str(error)))
            continue
        age, doubt = found.cutoff.judge(api_key)
        if age is Age.BEFORE:
            found.keys.append(api_key)
        elif age is Age.UNCLEAR:
            found.unclear.append(Unclear(api_key.namespace, api_key.name, api_key.spec.membership, doubt))
    found.looked_at[place or ""] = count


async def _bodies(cluster: Cluster, place: str | None, membership: str) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the keys that name a Membership, and those with a token that was issued under it, each once."""
    seen = set[str]()
    for selector in [f"{path}={membership}" for path in _OF_A_MEMBER] if membership else [""]:
        async for page, _ in cluster.pages(ApiKey, place, selector=selector):
            for body in page:
                if (uid := body["metadata"]["uid"]) not in seen:
                    seen.add(uid)
                    yield body


def _malformed(body: Mapping[str, Any], doubt: str) -> Unclear:
    """Return a malformed ApiKey as an unclear one, so that it doesn't stop the survey of the others."""
    metadata, spec = body["metadata"], body.get("spec") or {}
    return Unclear(metadata["namespace"], metadata["name"], str(spec.get("membership", "")), doubt)


async def _check_rights(cluster: Cluster, place: str | None) -> None:
    missing = [verb for verb in NEEDED.verbs if not await is_allowed(cluster, place or "", NEEDED, verb)]
    if missing:
        where = f"in namespace {place}" if place else "in all namespaces"
        advice = "" if place else " Name the namespaces in which you have them with --namespace."
        raise RevocationError(
            f"No key was revoked: you lack {', '.join(missing)} on {NEEDED.resource}.{GROUP} {where}.{advice} Owners "
            "have these rights in their organization's namespace (ClusterRole tenure-owner), and so have cluster "
            "administrators"
        )
