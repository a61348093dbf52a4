"""What every judgement works with."""

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
    """The cluster, read consistently each time, and what holds for all organizations.

    Attributes:
        cluster: The API server.
        installation: What holds for all organizations.
        system_namespace: Where the leases of the last owners are, out of reach of an organization's members.
        request_seconds: The API server's request timeout: no write is stored later than that.
        now: The clock.
    """

    cluster: Cluster
    installation: Installation
    system_namespace: str
    request_seconds: float
    now: Callable[[], datetime] = utc_now

    async def find(self, resource: type[R], namespace: str, name: str) -> R | None:
        """Read an object; None: it doesn't exist."""
        try:
            return await self.cluster.get(resource, namespace, name)
        except ObjectNotFoundError:
            return None

    async def organization_in_force(self, namespace: str) -> Organization | None:
        """The Organization in force in a namespace."""
        return oldest(await self.cluster.list_in(Organization, namespace))

    async def missing(self, requester: Requester, permissions: Sequence[Permission]) -> list[Permission]:
        """Which of these permissions somebody lacks."""
        answers = await asyncio.gather(*(is_permitted(self.cluster, requester, one) for one in permissions))
        return [permission for permission, held in zip(permissions, answers, strict=True) if not held]

    async def missing_deletion(self, change: Change[R]) -> list[Permission]:
        """The right to delete an object, where somebody hands it to the garbage collector and lacks that right."""
        return await self.missing(change.requester, [deletion(change.subject)]) if change.hands_over else []
