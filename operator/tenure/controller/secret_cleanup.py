"""Deletes the Secrets of tokens that were revoked, rotated or expired, and counts each token once."""

import logging
from collections.abc import Mapping

from tenure.controller.informer import Observer
from tenure.controller.queue import WorkQueue
from tenure.controller.recent import Recent
from tenure.controller.refs import Ref, ref_of
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.resources import ApiKey, Resource
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import is_former
from tenure.errors import ConflictError
from tenure.kube.cluster import Cluster
from tenure.kube.secrets import delete_secret
from tenure.observability.catalogue import KEYS_ENDED
from tenure.observability.metrics import End, Meter

log = logging.getLogger("tenure.reconcile")

ENDS: Mapping[Verdict, End] = {
    Verdict.ROLE_CHANGED: End.ROLE_CHANGED,
    Verdict.ROLE_MISMATCH: End.ROLE_MISMATCH,
    Verdict.EXPIRED: End.EXPIRED,
    Verdict.MEMBERSHIP_GONE: End.MEMBERSHIP_GONE,
    Verdict.ORGANIZATION_GONE: End.ORGANIZATION_GONE,
    Verdict.NOT_FOUND: End.DELETED,
    **dict.fromkeys((Verdict.VALID, Verdict.SUSPENDED, Verdict.PENDING, Verdict.BEHIND), End.REPLACED),
}


class SecretCleanup(Observer):
    """Deletes Secrets, including those of deleted ApiKeys, and counts the tokens that no longer work."""

    def __init__(self, cluster: Cluster, queue: WorkQueue, meter: Meter) -> None:
        self._cluster = cluster
        self._queue = queue
        self._meter = meter
        self._orphans: dict[Ref, set[str]] = {}
        self._gone = Recent[str]()
        self._counted = Recent[str]()

    def restored(self) -> None:
        """Forget which Secrets were deleted, because a restored etcd brings them back with their old uids."""
        self._gone = Recent()

    def gone(self, resource: Resource) -> None:
        """Enqueue the deletion of a deleted ApiKey's Secret.

        The garbage collector does the same, unless somebody deleted the ApiKey with `--cascade=orphan`.
        """
        if not isinstance(resource, ApiKey):
            return
        ref, secret_uid = ref_of(resource), resource.status.secret_uid
        if secret_uid is not None and secret_uid not in self._gone:
            self._orphans.setdefault(ref, set()).add(secret_uid)
            self._queue.add(ref)

    async def delete_secret(self, ref: Ref, uid: str) -> None:
        """Delete the Secret with this uid, unless it is known to be deleted."""
        if uid in self._gone:
            return
        try:
            await delete_secret(self._cluster, ref.namespace, ref.name, uid)
        except ConflictError:
            log.debug("%s: the Secret with uid %s is gone, and another one has its name", ref, uid)
        self._gone.add(uid)

    async def delete_orphans(self, ref: Ref) -> None:
        """Delete the Secrets of deleted ApiKeys of this name."""
        for secret_uid in sorted(self._orphans.get(ref, ())):
            await self.delete_secret(ref, secret_uid)
            self.count(secret_uid, End.DELETED)
            self._orphans[ref].discard(secret_uid)
        self._orphans.pop(ref, None)

    def count(self, token: str | None, end: End) -> None:
        """Count a token that no longer works, once.

        `token` is the uid of its Secret or, if that has another token now, its public id. None if there was no token.
        """
        if token is not None and token not in self._counted:
            self._counted.add(token)
            self._meter.count(KEYS_ENDED, end.value)


def end_of(observation: ApiKeyObservation) -> End:
    """The reason why a key's token no longer works. A former token whose overlap is over was replaced."""
    key = observation.api_key
    end = ENDS[validity(key, observation.membership, observation.organization, observation.now)]
    return End.REPLACED if end is End.EXPIRED and is_former(key) else end
