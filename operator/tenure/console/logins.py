"""Finds out who sends a request to the console behind a login: by their own token, or by an ID token."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import Headers

from tenure.console.caller import Caller, ClusterCaller
from tenure.console.tokens import TokenVerifier, bearer_of
from tenure.domain.permissions import Requester
from tenure.kube.cluster import Cluster
from tenure.kube.credentials import Bearer
from tenure.kube.snapshots import read_identity

AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True)
class PassThrough:
    """The API server authenticates each person by the token that came with the request.

    Attributes:
        cluster: The API server, without any credentials. So there are none to fall back to.
        namespaces: Where to look for organizations, or empty for all namespaces.
    """

    cluster: Cluster
    namespaces: Sequence[str]

    @asynccontextmanager
    async def of(self, headers: Headers) -> AsyncIterator[Caller]:
        """Give the person of a request while the block runs."""
        async with self.cluster.acting(credentials=Bearer(bearer_of(headers))) as cluster:
            yield ClusterCaller(cluster, await read_identity(cluster), self.namespaces, not self.namespaces)


@dataclass(frozen=True)
class Impersonation:
    """The console verifies each person's ID token, and asks the API server in exactly that person's name.

    Attributes:
        cluster: The API server, with the console's own credentials.
        tokens: Verifies ID tokens.
        namespaces: Where to look for organizations, or empty for all namespaces.
        tries: Whether the console may have the cluster try changes.
    """

    cluster: Cluster
    tokens: TokenVerifier
    namespaces: Sequence[str]
    tries: bool = True

    @asynccontextmanager
    async def of(self, headers: Headers) -> AsyncIterator[Caller]:
        """Give the person of a request while the block runs."""
        username = await self.tokens.username(bearer_of(headers))
        async with self.cluster.acting(impersonated=[("Impersonate-User", username)]) as cluster:
            requester = Requester(username=username, groups=[AUTHENTICATED])
            yield ClusterCaller(cluster, requester, self.namespaces, not self.namespaces, tries=self.tries)
