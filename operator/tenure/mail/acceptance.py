"""Looks up an invitation and records its acceptance, by consistent reads and with preconditions."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from tenure.domain.in_force import oldest
from tenure.domain.invitations.links import Claim, Standing, judge
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.errors import ConflictError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.mail.http.pages import Invited
from tenure.mail.invitations import write_invitation

log = logging.getLogger("tenure.mail")

_ATTEMPTS = 5

Locate = Callable[[str], tuple[str, str] | None]
"""Finds namespace and name of a Membership by its uid. It may be behind, because the object itself is read."""


Clock = Callable[[], datetime]
"""Tells the time."""


class Invitations(Protocol):
    """Looks up and accepts invitations."""

    async def look_up(self, claim: Claim) -> tuple[Standing, Invited | None]:
        """Return what a link is good for, and the objects that it is about, or None if it is dead."""

    async def accept(self, claim: Claim) -> tuple[Standing, Invited | None]:
        """Record the acceptance, and return what the link was good for before it."""


class Acceptance(Invitations):
    """Looks up invitations, and accepts them."""

    def __init__(self, cluster: Cluster, locate: Locate, clock: Clock) -> None:
        self._cluster = cluster
        self._locate = locate
        self._clock = clock

    async def look_up(self, claim: Claim) -> tuple[Standing, Invited | None]:
        """Return what a link is good for, and the objects that it is about, or None if it is dead.

        Raises:
            ApiError: the API server can't be asked now.
        """
        place = self._locate(claim.uid)
        if place is None:
            return Standing.DEAD, None
        try:
            membership = await self._cluster.get(Membership, *place)
        except ObjectNotFoundError:
            return Standing.DEAD, None
        standing = judge(claim, membership, self._clock())
        if standing is Standing.DEAD:
            return standing, None
        organization = oldest(await self._cluster.list_in(Organization, membership.namespace))
        if organization is None or organization.name != membership.spec.organization:
            return Standing.DEAD, None
        return standing, Invited(membership, organization)

    async def accept(self, claim: Claim) -> tuple[Standing, Invited | None]:
        """Record the acceptance, and return what the link was good for before it.

        The write names uid and resourceVersion of the object that was judged. So a role change or another acceptance
        that comes in between makes it fail, and the object is read and judged again.

        Raises:
            ApiError: the API server can't be asked now, or the object changes all the time.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            standing, invited = await self.look_up(claim)
            if standing is not Standing.OPEN or invited is None:
                return standing, invited
            try:
                await self._record(invited.membership)
            except ObjectNotFoundError:
                return Standing.DEAD, None
            except ConflictError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return standing, invited
        raise AssertionError("the last attempt returns or raises")

    async def _record(self, membership: Membership) -> None:
        now = self._clock()
        await write_invitation(self._cluster, membership, {"acceptedAt": format_time(now)})
        log.info(
            "%s/%s accepted the invitation as %s", membership.namespace, membership.name, membership.spec.role.value
        )
