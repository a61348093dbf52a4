"""Reconcile ApiKeys: carry out their plans, each write idempotent and guarded."""

from collections import defaultdict
from dataclasses import replace

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
from tenure.domain.planning.observation import ApiKeyObservation, SecretReading
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.validity import Verdict, validity
from tenure.errors import ConflictError, ObjectNotFoundError
from tenure.reconcile.context import Context, log
from tenure.reconcile.delivery import ObstructedError, deliver
from tenure.reconcile.mirror import Ref
from tenure.reconcile.queue import Item
from tenure.reconcile.recorder import record


class ApiKeys:
    """The reconciliation of ApiKeys."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._orphans: defaultdict[Ref, dict[str, str]] = defaultdict(dict)
        self._cleared: set[str | None] = set()

    def orphan(self, key: ApiKey, *, proved: bool) -> None:
        """Have the Secret of an ApiKey that is gone deleted; `proved` where a watch said so and no list.

        The garbage collector does the same unless somebody deleted with `--cascade=orphan`.
        """
        ref, secret_uid = Ref(ApiKey, key.namespace, key.name), key.status.secret_uid
        if secret_uid in self._cleared:
            self._cleared.discard(secret_uid)
        elif secret_uid is not None:
            self._orphans[ref][secret_uid] = "" if proved else key.metadata.uid
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
            seen = await self._prove(seen, item.since)
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
                    await self._delete_secret(ref, uid)
                case IssueToken():
                    await self._issue(seen, ref)
                case UpdateStatus(ApiKeyStatus() as status):
                    await self._update(key, status)
                    log.info("%s: %s", ref, ready_reason(status.conditions))
                case DeleteApiKey():
                    await self._delete_api_key(key)
                    log.info("%s: deleted, since its member's role changed", ref)
                case EmitEvent():
                    await record(context, action, key)
        if plan.awaits_record:
            context.queue.add(Ref(Membership, key.namespace, key.spec.membership))

    async def _issue(self, seen: ApiKeyObservation, ref: Ref) -> None:
        """Put a token into the key's Secret, then its stamp into the status."""
        try:
            delivered = await deliver(self._context.cluster, seen)
        except ObstructedError as error:
            status = obstructed_status(seen, error.reason, str(error))
            if status != seen.api_key.status:
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
        await self._update(seen.api_key, status)
        log.info("%s: issued %s under the role %s", ref, status.key_id, delivered.stamp.role)

    async def _update(self, key: ApiKey, status: ApiKeyStatus) -> None:
        self._context.take_in(await self._context.cluster.update_status(key, status), ours=True)

    async def _delete_api_key(self, key: ApiKey) -> None:
        """Delete an ApiKey whose Secret is deleted already, so that the watch's news of it needn't lead there again."""
        self._cleared.add(key.status.secret_uid)
        try:
            await self._context.cluster.delete(key)
        except BaseException:
            self._cleared.discard(key.status.secret_uid)
            raise

    async def _delete_secret(self, ref: Ref, uid: str) -> None:
        try:
            await self._context.cluster.delete_secret(ref.namespace, ref.name, uid)
        except ConflictError:
            log.debug("%s: the Secret with uid %s is gone, and another one has its name", ref, uid)

    async def _delete_orphans(self, ref: Ref) -> None:
        """Delete the Secrets of ApiKeys of this name that are gone."""
        for secret_uid, doubtful in list(self._orphans.get(ref, {}).items()):
            if not doubtful or await self._is_gone(ref, doubtful):
                await self._delete_secret(ref, secret_uid)
            self._orphans[ref].pop(secret_uid, None)
        if not self._orphans.get(ref):
            self._orphans.pop(ref, None)

    async def _is_gone(self, ref: Ref, uid: str) -> bool:
        """Whether the ApiKey of this uid is gone, by a consistent read."""
        try:
            found = await self._context.cluster.get(ApiKey, ref.namespace, ref.name)
        except ObjectNotFoundError:
            return True
        self._context.take_in(found)
        return found.metadata.uid != uid
