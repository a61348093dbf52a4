"""Reads from the API server that the evidence of every kind needs."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tenure.domain.admission.request import Change
from tenure.domain.in_force import oldest
from tenure.domain.installation import Installation
from tenure.domain.permissions import Permission, Requester, deletion
from tenure.domain.resources import Organization, Resource
from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.kube.reviews import is_permitted
from tenure.process.clock import utc_now

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True)
class Context:
    """The cluster, the settings and the clock that every judgement works with.

    Every read is a consistent read from the API server.

    Attributes:
        cluster: Client of the API server.
        installation: Rules and settings for all organizations.
        system_namespace: Namespace of the owners' Leases. The members of an organization have no rights in it.
        request_seconds: The API server's request timeout in seconds. The API server stores no write later than that.
        now: Clock, replaced in tests.
    """

    cluster: Cluster
    installation: Installation
    system_namespace: str
    request_seconds: float
    now: Callable[[], datetime] = utc_now

    async def find(self, resource: type[R], namespace: str, name: str) -> R | None:
        """Read an object, or return None if it doesn't exist."""
        try:
            return await self.cluster.get(resource, namespace, name)
        except ObjectNotFoundError:
            return None

    async def organization_in_force(self, namespace: str) -> Organization | None:
        """Return the Organization in force in a namespace, which is the oldest, or None if there is none."""
        return oldest(await self.cluster.list_in(Organization, namespace))

    async def missing(self, requester: Requester, permissions: Sequence[Permission]) -> list[Permission]:
        """Return those of the permissions that a requester lacks."""
        answers = await asyncio.gather(*(is_permitted(self.cluster, requester, one) for one in permissions))
        return [permission for permission, held in zip(permissions, answers, strict=True) if not held]

    async def missing_deletion(self, change: Change[R]) -> list[Permission]:
        """Return the right to delete an object if the requester lacks it and adds an owner reference to that object.

        The garbage collector may delete an object with an owner reference. A new object needs no such right.
        """
        return await self.missing(change.requester, [deletion(change.subject)]) if change.given_to_collector else []
