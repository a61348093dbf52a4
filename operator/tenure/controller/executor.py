"""Carries out every action that a plan may contain. Each write is idempotent and guarded."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from tenure.controller.access.reconciler import Bindings
from tenure.controller.announcements import Announcements
from tenure.controller.blocked import ObstructedError
from tenure.controller.enqueuer import Enqueuer
from tenure.controller.informer import Informer
from tenure.controller.recorder import Recorder
from tenure.controller.refs import ref_of
from tenure.controller.secret_cleanup import SecretCleanup, end_of
from tenure.controller.secrets_delivery import Delivery, confirm, deliver, fence, mint, refusals_told, write_in_place
from tenure.domain.conditions import ready_reason
from tenure.domain.planning.actions import (
    AnnounceToken,
    DeleteApiKey,
    DeleteSecret,
    DeliverToken,
    EmitEvent,
    IssueToken,
    KeyAction,
    Regarding,
    StatusAction,
    UpdateStatus,
)
from tenure.domain.planning.events import state_events
from tenure.domain.planning.key_status import (
    announced_status,
    issued_status,
    new_stamp,
    obstructed_status,
    promotion,
    rejected_status,
)
from tenure.domain.planning.observation import ApiKeyObservation, SecretReading
from tenure.domain.planning.rotation import DELIVERY_DELAY, exposure_event, is_exposed, may_hold_newer_token
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.rotation import wait_until_due
from tenure.domain.views import former_view
from tenure.errors import ConflictError, ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.observability.catalogue import KEYS_ISSUED, KEYS_ROTATED
from tenure.observability.metrics import Meter

log = logging.getLogger("tenure.reconcile")


@dataclass(frozen=True, kw_only=True)
class Executor:
    """Makes the controller's writes. The answers enter the cache through the informer."""

    cluster: Cluster
    informer: Informer
    enqueuer: Enqueuer
    cleanup: SecretCleanup
    announcements: Announcements
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
                await self._issue(observation)
            case AnnounceToken():
                await self._announce(observation)
            case DeliverToken():
                await self._rotate(observation)
            case DeleteApiKey():
                await self.cluster.delete(observation.api_key)
                self._note_tokens(observation, ApiKeyStatus())
                log.info("%s: deleted, because its member's role changed", ref_of(observation.api_key))
            case EmitEvent():
                await self.act(action, observation.api_key)
            case UpdateStatus(status):
                await self.act(action, observation.api_key)
                if isinstance(status, ApiKeyStatus):
                    self._note_tokens(observation, status)
                log.info("%s: %s", ref_of(observation.api_key), ready_reason(status.conditions))
            case _:
                assert_never(action)

    def _note_tokens(self, observation: ApiKeyObservation, status: ApiKeyStatus) -> None:
        """Count the tokens that a new status doesn't have any more, and a rotation."""
        key, former = observation.api_key, former_view(observation.api_key)
        kept = {status.hash, status.previous.hash if status.previous is not None else None}
        if key.status.hash not in kept:
            in_place = status.secret_uid == key.status.secret_uid
            self.cleanup.count(key.status.key_id if in_place else key.status.secret_uid, end_of(observation))
        if former is not None and former.status.hash not in kept:
            self.cleanup.count(former.status.key_id, end_of(replace(observation, api_key=former)))
        if key.status.next is not None and status.hash == key.status.next.hash:
            self.announcements.forget(ref_of(key))
            self.meter.count(KEYS_ROTATED)

    async def _delete_secret(self, uid: str, observation: ApiKeyObservation) -> None:
        key = observation.api_key
        if uid != key.status.secret_uid or may_hold_newer_token(observation):
            await confirm(self.cluster, key)
        await self.cleanup.delete_secret(ref_of(key), uid)
        if uid == key.status.secret_uid:
            self.cleanup.count(uid, end_of(observation))

    async def _issue(self, observation: ApiKeyObservation) -> None:
        """Write a token into the key's Secret, then its stamp into the status."""
        key = observation.api_key
        try:
            await self._close(observation, observation.recipient.membership)
            delivered = await deliver(self.cluster, observation)
        except ObstructedError as error:
            if key.status.secret_uid is not None:  # It holds the token that was to be replaced, and that is revoked.
                await confirm(self.cluster, key)
                await self.cleanup.delete_secret(ref_of(key), key.status.secret_uid)
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
        former_end = status.previous.ends_at if status.previous is not None else None
        moments = (moment for moment in (status.expires_at, status.rotates_at, former_end) if moment is not None)
        self.enqueuer.wake(ref_of(key), min(moments, default=None))
        try:
            await self.act(UpdateStatus(status), key)
            self._note_tokens(observation, status)
        except (ConflictError, ObjectNotFoundError):
            await self._take_back(key, delivered)
            raise
        self.meter.count(KEYS_ISSUED)
        log.info("%s: issued %s under the role %s", ref_of(key), status.key_id, delivered.stamp.role)

    async def _announce(self, observation: ApiKeyObservation) -> None:
        """Create the next token of a rotation, and write its hash into the status."""
        key, ref, at = observation.api_key, ref_of(observation.api_key), await self.cluster.clock()
        if wait := wait_until_due(key, at):
            self.enqueuer.wake(ref, self.now() + wait)
            return
        stamp = new_stamp(observation, at)
        token = mint(stamp)
        try:
            with refusals_told(key):
                await fence(self.cluster, observation, token)
        except ObstructedError as error:
            await self._tell_rejected(error, observation)
            raise
        status = announced_status(observation, stamp, key_id=token.key_id, token_hash=token.hash)
        await self.act(UpdateStatus(status), key)
        deliver_at = self.now() + DELIVERY_DELAY
        self.announcements.keep(ref, token, deliver_at)
        self.enqueuer.wake(ref, deliver_at)
        log.info("%s: announced %s, the successor of %s", ref, token.key_id, key.status.key_id)

    async def _rotate(self, observation: ApiKeyObservation) -> None:
        """Write the announced token into the key's Secret in place, and promote it in the status."""
        key, ref, successor = observation.api_key, ref_of(observation.api_key), observation.api_key.status.next
        facts = observation.secret.facts if observation.secret is not None else None
        token = None if successor is None else self.announcements.token(ref, successor.hash)
        if facts is None or successor is None or token is None:
            raise ValueError("only an announced token can be delivered into a Secret that was read")
        try:
            await self._close(observation, observation.membership)
            await confirm(self.cluster, key)
            with refusals_told(key):
                facts = await write_in_place(self.cluster, observation, facts, token, successor.issued)
        except ObstructedError as error:
            await self._tell_rejected(error, observation)
            raise
        for action in promotion(replace(observation, secret=SecretReading(facts))):
            await self.act_on_key(action, observation)
        self.enqueuer.wake(ref, self.now())  # The next plan finds when to wake for this token and the former one.

    async def _tell_rejected(self, error: ObstructedError, observation: ApiKeyObservation) -> None:
        """Write into the status why the Secret can't be changed for a rotation."""
        key, status = observation.api_key, rejected_status(observation, error.reason, str(error))
        if status == key.status:
            return
        if error.reason is Reason.SECRET_EXPOSED:
            await self.act(exposure_event(observation, str(error)), key)
        await self.act(UpdateStatus(status), key)

    async def _close(self, observation: ApiKeyObservation, recipient: Membership | None) -> None:
        """Close a Secret's name to all but the recipient of the token that is stored under it next."""
        if recipient is not None:
            await self.bindings.close(observation.api_key, recipient, is_known=is_exposed(observation.api_key))

    async def _take_back(self, key: ApiKey, delivered: Delivery) -> None:
        """Delete a Secret whose ApiKey was deleted meanwhile, because the Secret's uid is recorded nowhere else."""
        try:
            latest = await self.cluster.get(ApiKey, key.namespace, key.name)
        except ObjectNotFoundError:
            latest = None
        if latest is None or latest.metadata.uid != key.metadata.uid or latest.metadata.deleting:
            await self.cleanup.delete_secret(ref_of(key), delivered.secret_uid)
