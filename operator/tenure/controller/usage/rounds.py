"""The rounds of the record of use: the leader asks the verifiers, and enqueues the objects whose status changes."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

from tenure.controller.cache import Cache
from tenure.controller.executor import Executor
from tenure.controller.queue import WorkQueue
from tenure.controller.refs import ref_of
from tenure.controller.usage.verifiers import Verifiers
from tenure.domain.planning.actions import Plan, StatusAction, UpdateStatus
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.apikey import ApiKeyStatus
from tenure.domain.usage.coverage import Coverage, Knowledge, Reply
from tenure.domain.usage.recording import FORMER_INTERVAL, KeyUse, is_known, plan_key_use, plan_organization_use
from tenure.observability.catalogue import USAGE_SILENT_VERIFIERS
from tenure.observability.metrics import Reading

log = logging.getLogger("tenure.usage")

_PATIENCE = 3
"""Rounds for which a verifier may be silent before use counts as unknown."""
_AT_ONCE = 500
"""Number of objects that are looked at before other tasks get their turn."""
_UNCACHED = timedelta(hours=1)
"""How long the use of a token is remembered that is in no cached ApiKey, because the cache may be behind."""


class UsageRounds:
    """What the leader knows about the use of keys. Only its reconcilers write it, so that none of them conflicts."""

    def __init__(
        self,
        cache: Cache,
        queue: WorkQueue,
        executor: Executor,
        *,
        now: Callable[[], datetime],
        verifiers: Verifiers | None = None,
        seconds: float = 300.0,
    ) -> None:
        """Ask these verifiers every so many seconds. Without any, clear what an earlier process wrote."""
        self._cache, self._queue, self._executor, self._now = cache, queue, executor, now
        self._verifiers = verifiers
        self._seconds = seconds
        self._coverage: Coverage | None = None
        self._silent = 0
        self._used: dict[str, datetime] = {}
        self._written: tuple[date, set[str]] = (date.min, set())
        self._former_written: dict[str, datetime] = {}
        self._since: dict[str, datetime] = {}

    async def run(self) -> None:
        """Make one round after the other, from the moment at which this replica leads."""
        while True:
            try:
                await self.round()
                if self._verifiers is None:
                    return  # All that an earlier process wrote is enqueued.
            except Exception:  # A defect in one round must not prevent the next ones. It is logged with its traceback.
                log.exception("The use of keys couldn't be recorded. Trying again in %.0f s", self._seconds)
            await asyncio.sleep(self._seconds)

    async def round(self) -> None:
        """Ask every verifier, and enqueue the objects whose status has to change."""
        if self._verifiers is not None:
            patience = timedelta(seconds=_PATIENCE * self._seconds)
            coverage = self._coverage or Coverage(self._now(), patience)
            replies = await self._verifiers.ask(coverage)
            self._silent = sum(reply is None for reply in replies.values())
            self._coverage = coverage.after(replies, self._now())
            self._take(replies.values())
        for number, resource in enumerate(self._cache.all()):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if isinstance(resource, ApiKey | Organization) and self._plan(resource).actions:
                self._queue.add_unless_backing_off(ref_of(resource))

    async def record(self, resource: ApiKey | Organization) -> None:
        """Write what is known about the use of an object, if its status says something else."""
        for action in self._plan(resource).actions:
            await self._executor.act(action, resource)
            if isinstance(action, UpdateStatus) and isinstance(action.status, ApiKeyStatus):
                self._note_written(resource, action.status)

    def measure(self) -> Reading:
        """The number of verifiers that didn't answer in the latest round."""
        return Reading(USAGE_SILENT_VERIFIERS, self._silent)

    def _plan(self, resource: ApiKey | Organization) -> Plan[StatusAction]:
        now, coverage = self._now(), self._coverage
        in_force = self._cache.organization_in_force(resource.namespace)
        if self._verifiers is not None and coverage is None:
            return Plan()  # No round is complete yet.
        if isinstance(resource, Organization):
            if in_force is None or in_force.metadata.uid != resource.metadata.uid:
                return Plan()
            if is_known(resource, now) and resource.status.usage_since is not None:
                self._since[resource.metadata.uid] = resource.status.usage_since
            return plan_organization_use(resource, coverage, now, remembered=self._since.get(resource.metadata.uid))
        day, written = self._written
        former, uid = resource.status.previous, resource.metadata.uid
        return plan_key_use(
            KeyUse(
                key=resource,
                organization=in_force,
                knowledge=Knowledge.OFF if coverage is None else coverage.knowledge(now),
                used_at=max((self._used[one] for one in _token_ids(resource) if one in self._used), default=None),
                now=now,
                written_today=day == now.date() and uid in written,
                former_used_at=None if former is None else self._used.get(former.key_id),
                former_written_at=self._former_written.get(uid),
            )
        )

    def _take(self, replies: Iterable[Reply | None]) -> None:
        """Remember the latest use of each token, as long as a key has it."""
        for reply in replies:
            for key_id, at in reply.uses.items() if reply is not None else ():
                self._used[key_id] = max(at, self._used.get(key_id, at))
        resources, now = self._cache.all(), self._now()
        present = {one for key in resources if isinstance(key, ApiKey) for one in _token_ids(key)}
        self._used = {one: at for one, at in self._used.items() if one in present or now - at < _UNCACHED}
        uids = {one.metadata.uid for one in resources if isinstance(one, Organization)}
        self._since = {uid: since for uid, since in self._since.items() if uid in uids}
        self._former_written = {uid: at for uid, at in self._former_written.items() if now - at < FORMER_INTERVAL}

    def _note_written(self, before: ApiKey | Organization, status: ApiKeyStatus) -> None:
        """Remember what was written of a key: its day for the rest of the day, its former token's use for minutes."""
        if not isinstance(before, ApiKey):
            return
        now, uid = self._now(), before.metadata.uid
        if self._written[0] != now.date():
            self._written = now.date(), set()
        if status.last_used != before.status.last_used:
            self._written[1].add(uid)
        if status.previous != before.status.previous:
            self._former_written[uid] = now


def _token_ids(key: ApiKey) -> Iterable[str]:
    """Return the public ids of a key's tokens, whose use counts as that of the key."""
    tokens = (key.status, key.status.previous, key.status.next)
    return [one.key_id for one in tokens if one is not None and one.key_id is not None]
