"""Reconcile ApiKeys: carry out their plans, each write idempotent and guarded."""

from collections.abc import Mapping
from dataclasses import replace

from tenure.controller.cache import Ref
from tenure.controller.context import Context, log
from tenure.controller.queue import Item
from tenure.controller.recent import Recent
from tenure.controller.recorder import record
from tenure.controller.secrets_delivery import Delivery, ObstructedError, confirm, deliver
from tenure.domain.conditions import ready_reason
from tenure.domain.planning.actions import (
    DeleteApiKey,
    DeleteSecret,
    EmitEvent,
    IssueToken,
    Plan,
    UpdateStatus,
)
from tenure.domain.planning.apikeys import issued_status, obstructed_status, plan_api_key
from tenure.domain.planning.events import notices
from tenure.domain.planning.observation import ApiKeyObservation, SecretReading
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.validity import Verdict, validity
from tenure.errors import ConflictError, ObjectNotFoundError
from tenure.observability.catalogue import KEYS_ENDED, KEYS_ISSUED
from tenure.observability.metrics import End

_ENDS: Mapping[Verdict, End] = {
    Verdict.ROLE_CHANGED: End.ROLE_CHANGED,
    Verdict.ROLE_MISMATCH: End.ROLE_MISMATCH,
    Verdict.EXPIRED: End.EXPIRED,
    Verdict.MEMBERSHIP_GONE: End.MEMBERSHIP_GONE,
    Verdict.ORGANIZATION_GONE: End.ORGANIZATION_GONE,
    Verdict.NOT_FOUND: End.DELETED,
}
"""Every other verdict comes before another token."""


class ApiKeys:
    """The reconciliation of ApiKeys."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._orphans: dict[Ref, set[str]] = {}
        self._gone = Recent[str]()
        self._ended = Recent[str]()
        context.ended = self._orphan
        context.restored = self._forget_endings

    def _forget_endings(self) -> None:
        """Delete Secrets again that were seen to be gone: a restored etcd brings them back under their old uids."""
        self._gone = Recent()

    def _orphan(self, key: Resource) -> None:
        """Have the Secret of an ApiKey that is gone deleted.

        The garbage collector does the same unless somebody deleted with `--cascade=orphan`.
        """
        if not isinstance(key, ApiKey) or self._context.standing_by:
            return
        ref, secret_uid = Ref(ApiKey, key.namespace, key.name), key.status.secret_uid
        if secret_uid is not None and secret_uid not in self._gone:
            self._orphans.setdefault(ref, set()).add(secret_uid)
            self._context.queue.add(ref)

    async def reconcile(self, item: Item) -> None:
        """Bring an ApiKey to the state that it should have."""
        await self._delete_orphans(item.ref)
        key = self._context.mirror.get(ApiKey, item.ref.namespace, item.ref.name)
        if key is None:
            self._context.queue.forget(item.ref)
            return
        secret = await self._read_secret(item.ref) if item.checked else None
        seen = self._observe(key, secret)
        plan = plan_api_key(seen)
        if plan.needs_proof:
            seen = await self._prove(seen, max(item.since, self._context.mirror.seen_at(item.ref)))
            plan = plan_api_key(seen)
        if plan.needs_fresh_read:
            raise ConflictError(f"{item.ref}: its Membership is read as older than the key's stamp")
        self._context.wake(item.ref, plan.wake_at)
        await self._carry_out(plan, seen, item.ref)

    def _observe(self, key: ApiKey, secret: SecretReading | None) -> ApiKeyObservation:
        mirror = self._context.mirror
        membership = mirror.get(Membership, key.namespace, key.spec.membership)
        return ApiKeyObservation(
            api_key=key,
            membership=membership,
            organization=self._organization_of(membership),
            siblings=mirror.keys_of(key.namespace, key.spec.membership),
            now=self._context.now(),
            secret=secret,
            displaced_by=None if membership is None else mirror.displacing(membership),
            installation=self._context.installation,
        )

    def _organization_of(self, membership: Membership | None) -> Organization | None:
        if membership is None:
            return None
        return self._context.mirror.organization_in_force(membership.namespace, membership.spec.organization)

    async def _read_secret(self, ref: Ref) -> SecretReading:
        return SecretReading(await self._context.cluster.get_secret(ref.namespace, ref.name))

    async def _prove(self, seen: ApiKeyObservation, since: float) -> ApiKeyObservation:
        """Observe again with consistent reads: the mirror proposes, and only these end or issue a key."""
        key, context = seen.api_key, self._context
        membership = await context.membership(key.namespace, key.spec.membership, since)
        organization = self._organization_of(membership)
        proved = replace(seen, membership=membership, organization=organization, now=context.now())
        if membership is None:
            return proved
        if organization is None or validity(key, membership, organization, proved.now) is Verdict.ORGANIZATION_GONE:
            name = membership.spec.organization
            read = await context.organization(key.namespace, name, since)
            in_force = context.mirror.organization_in_force(key.namespace, name)
            proved = replace(proved, organization=in_force if read is not None else None)
        return proved

    async def _carry_out(self, plan: Plan, seen: ApiKeyObservation, ref: Ref) -> None:
        key, context = seen.api_key, self._context
        for action in plan.actions:
            match action:
                case DeleteSecret(uid):
                    if uid != key.status.secret_uid:
                        await confirm(context.cluster, key)
                    await self._delete_secret(ref, uid)
                    if uid == key.status.secret_uid:
                        self._count_end(uid, _why_ended(seen))
                case IssueToken():
                    self._count_end(key.status.secret_uid, End.REPLACED)  # Its Secret went by somebody else's hand.
                    await self._issue(seen, ref)
                case UpdateStatus(ApiKeyStatus() as status):
                    await self._update(key, status)
                    log.info("%s: %s", ref, ready_reason(status.conditions))
                case DeleteApiKey():
                    await context.cluster.delete(key)
                    log.info("%s: deleted, since its member's role changed", ref)
                case EmitEvent():
                    await record(context, action, key)
        if plan.awaits_record:
            context.queue.add_unless_backing_off(Ref(Membership, key.namespace, key.spec.membership))

    async def _issue(self, seen: ApiKeyObservation, ref: Ref) -> None:
        """Put a token into the key's Secret, then its stamp into the status."""
        try:
            await self._context.before_issue(seen.api_key)
            delivered = await deliver(self._context.cluster, seen)
        except ObstructedError as error:
            status = obstructed_status(seen, error.reason, str(error))
            if status != seen.api_key.status:
                for notice in notices(seen.api_key, status.conditions):
                    await record(self._context, notice, seen.api_key)
                await self._update(seen.api_key, status)
            raise
        status = issued_status(
            seen,
            delivered.stamp,
            key_id=delivered.token.key_id,
            token_hash=delivered.token.hash,
            secret_uid=delivered.secret_uid,
        )
        self._context.wake(ref, status.expires_at)
        try:
            await self._update(seen.api_key, status)
        except (ConflictError, ObjectNotFoundError):
            await self._take_back(ref, seen.api_key, delivered)
            raise
        self._context.meter.count(KEYS_ISSUED)
        log.info("%s: issued %s under the role %s", ref, status.key_id, delivered.stamp.role)

    async def _take_back(self, ref: Ref, key: ApiKey, delivered: Delivery) -> None:
        """Delete a Secret whose ApiKey went while it was being issued: nothing else would know its uid."""
        try:
            latest = await self._context.cluster.get(ApiKey, ref.namespace, ref.name)
        except ObjectNotFoundError:
            latest = None
        if latest is None or latest.metadata.uid != key.metadata.uid or latest.metadata.deleting:
            await self._delete_secret(ref, delivered.secret_uid)

    async def _update(self, key: ApiKey, status: ApiKeyStatus) -> None:
        self._context.take_in(await self._context.cluster.update_status(key, status), ours=True)

    async def _delete_secret(self, ref: Ref, uid: str) -> None:
        """Delete the Secret of a uid; one that we know to be gone isn't asked for again."""
        if uid in self._gone:
            return
        try:
            await self._context.cluster.delete_secret(ref.namespace, ref.name, uid)
        except ConflictError:
            log.debug("%s: the Secret with uid %s is gone, and another one has its name", ref, uid)
        self._gone.add(uid)

    def _count_end(self, secret_uid: str | None, end: End) -> None:
        """Count the end of a token, once; None: there was none."""
        if secret_uid is not None and secret_uid not in self._ended:
            self._ended.add(secret_uid)
            self._context.meter.count(KEYS_ENDED, end.value)

    async def _delete_orphans(self, ref: Ref) -> None:
        """Delete the Secrets of ApiKeys of this name that are gone."""
        for secret_uid in sorted(self._orphans.get(ref, ())):
            await self._delete_secret(ref, secret_uid)
            self._count_end(secret_uid, End.DELETED)
            self._orphans[ref].discard(secret_uid)
        self._orphans.pop(ref, None)


def _why_ended(seen: ApiKeyObservation) -> End:
    return _ENDS.get(validity(seen.api_key, seen.membership, seen.organization, seen.now), End.REPLACED)
