"""Reconciles Memberships: posts Events for role changes, records them, and keeps the status up to date."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tenure.controller.cache import Cache
from tenure.controller.enqueuer import Enqueuer
from tenure.controller.executor import Executor
from tenure.controller.queue import Item
from tenure.controller.refs import ref_of
from tenure.domain.installation import Installation
from tenure.domain.planning.actions import StatusAction, UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.resources import Membership
from tenure.domain.resources.membership import MembershipStatus
from tenure.observability.catalogue import ROLE_CHANGES
from tenure.observability.metrics import Meter


@dataclass(frozen=True, kw_only=True)
class Memberships:
    """Reconciles Memberships."""

    cache: Cache
    enqueuer: Enqueuer
    executor: Executor
    installation: Installation
    meter: Meter
    now: Callable[[], datetime]

    async def reconcile(self, item: Item) -> None:
        """Post the Events of a role change, and update a Membership's status, as its plan says."""
        membership = self.cache.get(Membership, item.ref.namespace, item.ref.name)
        if membership is None:
            self.enqueuer.queue.forget(item.ref)
            return
        seen = MembershipObservation(
            membership=membership,
            organization=self.cache.organization_in_force(membership.namespace, membership.spec.organization),
            keys=self.cache.keys_of(membership.namespace, membership.name),
            now=self.now(),
            displaced_by=self.cache.displacing(membership),
            installation=self.installation,
        )
        try:
            plan = plan_membership(seen)
            self.enqueuer.wake(item.ref, plan.wake_at)
            for action in plan.actions:
                await self.executor.act(action, membership, seen.organization)
                self._count(membership, action)
        except Exception:
            # Only the record waits. The keys' Secrets are deleted even while the status can't be written.
            for key in seen.keys:
                self.enqueuer.queue.add(ref_of(key))
            raise

    def _count(self, membership: Membership, action: StatusAction) -> None:
        """Count a role change once it is recorded."""
        if not isinstance(action, UpdateStatus) or not isinstance(action.status, MembershipStatus):
            return
        known, change = membership.status.last_role_change, action.status.last_role_change
        if change is not None and (known is None or known.generation != change.generation):
            self.meter.count(ROLE_CHANGES, change.from_role.value, change.to_role.value)
