"""Reconciles Organizations: keeps their status up to date."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tenure.controller.access.reconciler import Bindings
from tenure.controller.cache import Cache
from tenure.controller.executor import Executor
from tenure.controller.mail_presence import MailPresence
from tenure.controller.queue import Item, WorkQueue
from tenure.controller.usage.rounds import UsageRounds
from tenure.domain.installation import Installation
from tenure.domain.invitations.mail import asks_for_letters
from tenure.domain.planning.organizations import OrganizationObservation, plan_organization
from tenure.domain.resources import Organization


@dataclass(frozen=True, kw_only=True)
class Organizations:
    """Reconciles Organizations."""

    cache: Cache
    queue: WorkQueue
    executor: Executor
    usage: UsageRounds
    bindings: Bindings
    mail: MailPresence
    installation: Installation
    now: Callable[[], datetime]

    async def reconcile(self, item: Item) -> None:
        """Update an Organization's status, as its plan says."""
        cache, namespace = self.cache, item.ref.namespace
        organization = cache.get(Organization, namespace, item.ref.name)
        in_force = cache.organization_in_force(namespace)
        if organization is None or in_force is None:
            self.queue.forget(item.ref)
            return
        members = {
            member.name: member
            for member in cache.memberships(namespace)
            if member.spec.organization == organization.name and not member.metadata.deleting
        }
        others = {
            member.name for member in cache.memberships(namespace) if member.spec.organization != organization.name
        }
        seen = OrganizationObservation(
            organization=organization,
            in_force=in_force,
            members=[member for member in members.values() if cache.displacing(member) is None],
            keys=[(key, members.get(key.holder)) for key in cache.keys_in(namespace) if key.holder not in others],
            now=self.now(),
            installation=self.installation,
            bindings=self.bindings.state(namespace),
            mail_runs=await self.mail.runs() if asks_for_letters(organization) else None,
        )
        plan = plan_organization(seen)
        for action in plan.actions:
            await self.executor.act(action, organization)
        if not plan.actions:
            await self.usage.record(organization)
