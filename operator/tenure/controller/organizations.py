"""Reconcile Organizations: keep their status."""

from tenure.controller.context import Context, log
from tenure.controller.queue import Item
from tenure.controller.recorder import record
from tenure.domain.planning.actions import EmitEvent, UpdateStatus
from tenure.domain.planning.organizations import OrganizationObservation, plan_organization
from tenure.domain.resources import Organization


class Organizations:
    """The reconciliation of Organizations."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def reconcile(self, item: Item) -> None:
        """Bring an Organization's status to what it should be."""
        mirror, namespace = self._context.mirror, item.ref.namespace
        organization = mirror.get(Organization, namespace, item.ref.name)
        in_force = mirror.organization_in_force(namespace)
        if organization is None or in_force is None:
            self._context.queue.forget(item.ref)
            return
        members = {
            member.name: member
            for member in mirror.memberships(namespace)
            if member.spec.organization == organization.name and not member.metadata.deleting
        }
        others = {
            member.name for member in mirror.memberships(namespace) if member.spec.organization != organization.name
        }
        seen = OrganizationObservation(
            organization=organization,
            in_force=in_force,
            members=[member for member in members.values() if mirror.displacing(member) is None],
            keys=[
                (key, members.get(key.spec.membership))
                for key in mirror.keys_in(namespace)
                if key.spec.membership not in others
            ],
            now=self._context.now(),
            installation=self._context.installation,
            bindings=self._context.binding_state(namespace),
        )
        for action in plan_organization(seen).actions:
            match action:
                case EmitEvent():
                    log.info("%s: %s", item.ref, action.note)
                    await record(self._context, action, organization)
                case UpdateStatus(status):
                    updated = await self._context.cluster.update_status(organization, status)
                    self._context.take_in(updated, ours=True)
