"""Reconcile Memberships: announce and record role changes, keep the status."""

from tenure.controller.cache import Ref
from tenure.controller.context import Context, log
from tenure.controller.queue import Item
from tenure.controller.recorder import record
from tenure.domain.planning.actions import EmitEvent, Regarding, UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.resources import ApiKey, Membership
from tenure.observability.catalogue import ROLE_CHANGES


class Memberships:
    """The reconciliation of Memberships."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def reconcile(self, item: Item) -> None:
        """Bring a Membership's status to what it should be."""
        mirror, queue = self._context.mirror, self._context.queue
        membership = mirror.get(Membership, item.ref.namespace, item.ref.name)
        if membership is None:
            queue.forget(item.ref)
            return
        organization = mirror.organization_in_force(membership.namespace, membership.spec.organization)
        keys = mirror.keys_of(membership.namespace, membership.name)
        seen = MembershipObservation(
            membership=membership,
            organization=organization,
            keys=keys,
            now=self._context.now(),
            displaced_by=mirror.displacing(membership),
            installation=self._context.installation,
        )
        try:
            await self._carry_out(seen, item.ref)
        except Exception:
            # The record waits, the keys don't: their Secrets go even while the status can't be written.
            for key in keys:
                queue.add(Ref(ApiKey, key.namespace, key.name))
            raise

    async def _carry_out(self, seen: MembershipObservation, ref: Ref) -> None:
        membership, organization = seen.membership, seen.organization
        for action in plan_membership(seen).actions:
            match action:
                case EmitEvent(regarding=Regarding.SELF):
                    log.info("%s: %s", ref, action.note)
                    await record(self._context, action, membership)
                case EmitEvent(regarding=Regarding.ORGANIZATION) if organization is not None:
                    await record(self._context, action, organization)
                case UpdateStatus(status):
                    updated = await self._context.cluster.update_status(membership, status)
                    self._context.take_in(updated, ours=True)
                    self._count(membership, updated)

    def _count(self, before: Membership, after: Membership) -> None:
        known, change = before.status.last_role_change, after.status.last_role_change
        if change is not None and (known is None or known.generation != change.generation):
            self._context.meter.count(ROLE_CHANGES, change.from_role.value, change.to_role.value)
