"""Reconciles ApiKeys: gathers, plans, proves a plan that issues or revokes by a fresh read, and carries it out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tenure.controller.announcements import Announcements
from tenure.controller.cache import Cache
from tenure.controller.enqueuer import Enqueuer
from tenure.controller.executor import Executor
from tenure.controller.fresh_reads import FreshReads
from tenure.controller.queue import Item
from tenure.controller.refs import Ref, ref_of
from tenure.controller.secret_cleanup import SecretCleanup
from tenure.controller.usage.rounds import UsageRounds
from tenure.domain.installation import Installation
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.observation import ApiKeyObservation, SecretReading, Tenure
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import memberships_of
from tenure.errors import ConflictError
from tenure.kube.cluster import Cluster
from tenure.kube.secrets import get_secret


@dataclass(frozen=True, kw_only=True)
class ApiKeys:
    """Reconciles ApiKeys."""

    cluster: Cluster
    cache: Cache
    reads: FreshReads
    enqueuer: Enqueuer
    cleanup: SecretCleanup
    announcements: Announcements
    executor: Executor
    usage: UsageRounds
    installation: Installation
    now: Callable[[], datetime]

    async def reconcile(self, item: Item) -> None:
        """Issue, revoke or delete an ApiKey and write its status, as its plan says."""
        await self.cleanup.delete_orphans(item.ref)
        key = self.cache.get(ApiKey, item.ref.namespace, item.ref.name)
        if key is None:
            self.enqueuer.queue.forget(item.ref)
            self.announcements.forget(item.ref)
            return
        rotates = key.status.next is not None
        if not rotates:  # If it was announced, a revocation has ended the rotation.
            self.announcements.forget(item.ref)
        # During a rotation the Secret tells which of the two tokens was delivered.
        checked = item.checked or rotates
        observation = self._observe(key, await self._read_secret(item.ref) if checked else None)
        plan = plan_api_key(observation)
        if plan.needs_proof:
            observation = await self._prove(observation, max(item.since, self.cache.seen_at(item.ref)))
            plan = plan_api_key(observation)
        if plan.needs_fresh_read:
            raise ConflictError(f"{item.ref}: its Membership is read as older than the key's stamp")
        self.enqueuer.wake(item.ref, plan.wake_at)
        for action in plan.actions:
            await self.executor.act_on_key(action, observation)
        if not plan.actions:  # Otherwise the key that was read is out of date, and the next round adds it again.
            await self.usage.record(key)
        if plan.awaits_record:
            for name in memberships_of(key):
                self.enqueuer.queue.add_unless_backing_off(Ref(Membership, key.namespace, name))

    def _observe(self, key: ApiKey, secret: SecretReading | None) -> ApiKeyObservation:
        membership = self._member(key, key.spec.membership)
        return ApiKeyObservation(
            api_key=key,
            membership=membership,
            organization=self._organization_of(membership),
            siblings=self.cache.keys_of(key.namespace, key.spec.membership),
            now=self.now(),
            secret=secret,
            announced=self.announcements.announced(ref_of(key)),
            displaced_by=None if membership is None else self.cache.displacing(membership),
            installation=self.installation,
            others={
                name: self._tenure(self._member(key, name)) for name in memberships_of(key) - {key.spec.membership}
            },
        )

    def _member(self, key: ApiKey, name: str) -> Membership | None:
        return self.cache.get(Membership, key.namespace, name)

    def _tenure(self, membership: Membership | None) -> Tenure:
        return Tenure(membership, self._organization_of(membership))

    def _organization_of(self, membership: Membership | None) -> Organization | None:
        if membership is None:
            return None
        return self.cache.organization_in_force(membership.namespace, membership.spec.organization)

    async def _read_secret(self, ref: Ref) -> SecretReading:
        return SecretReading(await get_secret(self.cluster, ref.namespace, ref.name))

    async def _prove(self, observation: ApiKeyObservation, since: float) -> ApiKeyObservation:
        """Observe again by consistent reads that started at `since` or later. Only these may issue or revoke a key."""
        tenures = {
            name: await self._prove_tenure(observation.api_key, name, since)
            for name in memberships_of(observation.api_key)
        }
        own = tenures.pop(observation.api_key.spec.membership)
        return replace(
            observation, membership=own.membership, organization=own.organization, now=self.now(), others=tenures
        )

    async def _prove_tenure(self, key: ApiKey, name: str, since: float) -> Tenure:
        """Read a Membership and, if it seems to have no Organization or another one than at the issue, that too."""
        membership = await self.reads.membership(key.namespace, name, since)
        organization = self._organization_of(membership)
        if membership is None:
            return Tenure(None, None)
        if organization is None or validity(key, membership, organization, self.now()) is Verdict.ORGANIZATION_GONE:
            read = await self.reads.organization(key.namespace, membership.spec.organization, since)
            in_force = self.cache.organization_in_force(key.namespace, membership.spec.organization)
            organization = in_force if read is not None else None
        return Tenure(membership, organization)
