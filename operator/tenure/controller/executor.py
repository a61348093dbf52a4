"""Carries out every action that a plan may contain. Each write is idempotent and guarded."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from tenure.controller.access.reconciler import Bindings
from tenure.controller.blocked import ObstructedError
from tenure.controller.enqueuer import Enqueuer
from tenure.controller.informer import Informer
from tenure.controller.recorder import Recorder
from tenure.controller.refs import ref_of
from tenure.controller.secret_cleanup import SecretCleanup, end_of
from tenure.controller.secrets_delivery import Delivery, confirm, deliver
from tenure.domain.conditions import ready_reason
from tenure.domain.planning.actions import (
    DeleteApiKey,
    DeleteSecret,
    EmitEvent,
    IssueToken,
    KeyAction,
    Regarding,
    StatusAction,
    UpdateStatus,
)
from tenure.domain.planning.apikeys import issued_status, obstructed_status
from tenure.domain.planning.events import state_events
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.resources import ApiKey, Organization, Resource
from tenure.errors import ConflictError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.observability.catalogue import KEYS_ISSUED
from tenure.observability.metrics import End, Meter

log = logging.getLogger("tenure.reconcile")


@dataclass(frozen=True, kw_only=True)
class Executor:
    """Makes the controller's writes. The answers enter the cache through the informer."""

    cluster: Cluster
    informer: Informer
    enqueuer: Enqueuer
    cleanup: SecretCleanup
    bindings: Bindings
    recorder: Recorder
    meter: Meter
    now: Callable[[], datetime]

    async def act(self, action: StatusAction, resource: Resource, organization: Organization | None = None) -> None:
        """Carry out an action of a plan of any kind. `organization` is the one in force, for its Events."""
        match action:
            case EmitEvent():
                if action.regarding is Regarding.SELF:
                    if not isinstance(resource, ApiKey):  # A key's status says the same, and is logged.
                        log.info("%s: %s", ref_of(resource), action.note)
                    await self.recorder.record(action, resource, self.now())
                elif organization is not None:
                    await self.recorder.record(action, organization, self.now())
            case UpdateStatus(status):
                self.informer.take_in(await self.cluster.update_status(resource, status), ours=True)
            case _:
                assert_never(action)

    async def act_on_key(self, action: KeyAction | StatusAction, observation: ApiKeyObservation) -> None:
        """Carry out an action of an ApiKey's plan. `seen` is the observation that the plan was made from."""
        match action:
            case DeleteSecret(uid):
                await self._delete_secret(uid, observation)
            case IssueToken():
                self.cleanup.count(observation.api_key.status.secret_uid, End.REPLACED)  # Somebody deleted its Secret.
                await self._issue(observation)
            case DeleteApiKey():
                await self.cluster.delete(observation.api_key)
                log.info("%s: deleted, because its member's role changed", ref_of(observation.api_key))
            case EmitEvent():
                await self.act(action, observation.api_key)
            case UpdateStatus(status):
                await self.act(action, observation.api_key)
                log.info("%s: %s", ref_of(observation.api_key), ready_reason(status.conditions))
            case _:
                assert_never(action)

    async def _delete_secret(self, uid: str, observation: ApiKeyObservation) -> None:
        key = observation.api_key
        if uid != key.status.secret_uid:
            await confirm(self.cluster, key)
        await self.cleanup.delete_secret(ref_of(key), uid)
        if uid == key.status.secret_uid:
            self.cleanup.count(uid, end_of(observation))

    async def _issue(self, observation: ApiKeyObservation) -> None:
        """Write a token into the key's Secret, then its stamp into the status."""
        key = observation.api_key
        try:
            await self.bindings.close(key)
            delivered = await deliver(self.cluster, observation)
        except ObstructedError as error:
            status = obstructed_status(observation, error.reason, str(error))
            if status != key.status:
                for event in state_events(key, status.conditions):
                    await self.act(event, key)
                await self.act(UpdateStatus(status), key)
            raise
        status = issued_status(
            observation,
            delivered.stamp,
            key_id=delivered.token.key_id,
            token_hash=delivered.token.hash,
            secret_uid=delivered.secret_uid,
        )
        self.enqueuer.wake(ref_of(key), status.expires_at)
        try:
            await self.act(UpdateStatus(status), key)
        except (ConflictError, ObjectNotFoundError):
            await self._take_back(key, delivered)
            raise
        self.meter.count(KEYS_ISSUED)
        log.info("%s: issued %s under the role %s", ref_of(key), status.key_id, delivered.stamp.role)

    async def _take_back(self, key: ApiKey, delivered: Delivery) -> None:
        """Delete a Secret whose ApiKey was deleted meanwhile, because the Secret's uid is recorded nowhere else."""
        try:
            latest = await self.cluster.get(ApiKey, key.namespace, key.name)
        except ObjectNotFoundError:
            latest = None
        if latest is None or latest.metadata.uid != key.metadata.uid or latest.metadata.deleting:
            await self.cleanup.delete_secret(ref_of(key), delivered.secret_uid)
