"""The controller: it lists, runs the workers of its queues, and stands by or leads."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping

from tenure.controller.access import reconciler as access
from tenure.controller.gauges import survey_objects, survey_sweep, survey_work
from tenure.controller.queue import Item
from tenure.controller.wiring import Parts
from tenure.controller.worker import Work
from tenure.domain.resources import KINDS, Resource
from tenure.errors import ConflictError, TenureError
from tenure.kube.breaker import Loop
from tenure.observability.catalogue import LEADER
from tenure.observability.log_limits import cause_of, warn_once_a_minute
from tenure.observability.metrics import Queue, Reading
from tenure.process.tasks import background

log = logging.getLogger("tenure.reconcile")

WORKERS = 64
"""Number of workers for the three kinds. It is higher than the number of connections, because a worker that waits for a
connection or a shared read costs nothing. The more keys of one member wait together, the fewer reads they need."""

RESERVED = 40
"""Number of these workers that only end tokens, so that a revocation finds a free one, whatever else is worked on."""

_GRACE_SECONDS = 3.0
_WATCHES_STARTED_SECONDS = 10.0
_LAGS_PER_RESYNC = 10
_SHORTEST_LAG_SECONDS = 10.0
_SHORTEST_DEAD_SECONDS = 30.0


class Controller:
    """Reconciles the three kinds: it lists, runs the workers of its queues, and stands by or leads."""

    def __init__(self, parts: Parts, *, resync_seconds: float) -> None:
        self._parts = parts
        self._sweep = parts.sweep
        self.informer = parts.informer
        self._resync_seconds = resync_seconds
        self._workers: list[asyncio.Task[None]] = []
        self._leads = asyncio.Event()
        if not self.informer.standing_by:
            self._leads.set()
        self._may_work: Callable[[], bool] = lambda: True

    def why_not_ready(self) -> str:
        """The reason why the controller isn't ready, for people. Empty if it is ready."""
        if any(kind not in self._sweep.listed_at for kind in KINDS):
            return "the first list isn't complete yet"
        now = asyncio.get_running_loop().time()
        age = now - min(self._sweep.listed_at.values())
        if age > 2 * self._resync_seconds + _WATCHES_STARTED_SECONDS:
            return f"no list succeeded for {age:.0f} s"
        most = max(self._resync_seconds / _LAGS_PER_RESYNC, _SHORTEST_LAG_SECONDS)
        return self._describe_lag(dict.fromkeys(KINDS, now), most)

    def why_not_alive(self) -> str:
        """The reason why the process should be restarted, for people. Empty if there is none.

        The reason is a watch that stays silent although a list shows that the API server answers. New connections may
        help.
        """
        return self._describe_lag(self._sweep.listed_at, max(self._resync_seconds, _SHORTEST_DEAD_SECONDS))

    def _describe_lag(self, now: Mapping[type[Resource], float], most: float) -> str:
        """The watches that lag by more than `most` seconds, for people. `now` is the time at which to measure each."""
        lags = {kind: self._parts.watches.lag(kind, at) for kind, at in now.items()}
        return "; ".join(
            f"the watch of {kind.plural} hasn't told what has been known for {lag:.0f} s"
            for kind, lag in lags.items()
            if lag > most
        )

    async def measure(self) -> list[Reading]:
        """The readings of its gauges. Only the replica that reconciles reports on objects."""
        parts = self._parts
        work = survey_work(parts.watches, parts.queues, self._sweep.listed_at)
        leads = not self.informer.standing_by
        objects = await survey_objects(parts.cache, parts.installation, parts.now()) if leads else []
        sweep = survey_sweep(self._sweep) if leads else []
        return [Reading(LEADER, leads), *work, *objects, *sweep, parts.usage.measure()]

    async def look_around(self) -> None:
        """List everything once: before the first plan, and then in each sweep."""
        await self._sweep.fill()
        await self._parts.bindings.fill()
        if not self.informer.standing_by:
            self._parts.bindings.check_all()

    def lead(self, may_work: Callable[[], bool]) -> None:
        """Become the leader: enqueue everything, and start reconciliations as long as `may_work` returns True."""
        self._may_work = may_work
        self.informer.standing_by = False
        self._leads.set()
        for ref in self._parts.cache.refs(*KINDS):
            self._parts.queues[Queue.OBJECTS].add(ref)
        self._parts.bindings.lead()

    def begin_stopping(self) -> None:
        """Start no more reconciliations. Those under way continue."""
        for queue in self._parts.queues.values():
            queue.begin_draining()

    async def finish(self, seconds: float) -> None:
        """Start no more reconciliations, and wait at most so many seconds for those under way."""
        await asyncio.gather(*(queue.drain(seconds) for queue in self._parts.queues.values()))

    def abandon(self) -> None:
        """Start no more reconciliations, and cancel those under way. Another replica continues them."""
        self.begin_stopping()
        for worker in self._workers:
            worker.cancel()

    @contextlib.asynccontextmanager
    async def running(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Reconcile or stand by while the block runs. Then, reconciliations under way have 3 seconds to finish.

        Raises:
            TaskFailedError: at the end of the block, if a worker or the sweep failed, which also sets `stop`.
        """
        reconcilers = {
            Queue.OBJECTS: (self._reconcile, WORKERS, RESERVED),
            Queue.BINDINGS: (self._parts.bindings.reconcile, access.WORKERS, access.RESERVED),
        }
        for name, queue in self._parts.queues.items():
            reconcile, workers, reserved = reconcilers[name]
            work = Work(self._parts.cache, self._parts.meter, queue, name, reconcile, self._is_entitled)
            self._workers += queue.start(work, workers=workers, reserved=reserved, turn=self._turn)
        tasks = [
            *self._workers,
            asyncio.create_task(self._resync(), name="sweep"),
            asyncio.create_task(self._check_keys(), name="sweep of keys"),
            asyncio.create_task(self._record_use(), name="usage"),
        ]
        async with background(stop, *tasks):
            try:
                yield
            finally:
                await self.finish(_GRACE_SECONDS)

    def _is_entitled(self) -> bool:
        return self._may_work()

    async def _reconcile(self, item: Item) -> None:
        try:
            await self._parts.reconcilers[item.ref.resource].reconcile(item)
        except ConflictError:
            with contextlib.suppress(TenureError):
                await self._parts.reads.refresh(item.ref)
            raise

    async def _record_use(self) -> None:
        await self._leads.wait()
        await self._parts.usage.run()

    async def _resync(self) -> None:
        # No watch reports what was deleted between the first list and the start of the watches.
        await asyncio.sleep(min(_WATCHES_STARTED_SECONDS, self._resync_seconds))
        while True:
            await self._turn()
            try:
                await self.look_around()
            except TenureError as error:
                text = "The sweep failed: %s. Trying again in %.0f s, or once the API server answers"
                warn_once_a_minute(log, cause_of(error, error), text, error, self._resync_seconds / 2)
                if self._parts.cluster.is_away:
                    continue
            except Exception:  # A defect in one sweep must not prevent the next ones. It is logged with its traceback.
                log.exception("The sweep failed unexpectedly. Trying again in %.0f s", self._resync_seconds / 2)
            if self.informer.standing_by:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._leads.wait(), self._resync_seconds / 2)
            else:
                # An object that appears after the list is checked in the next round, so a round has half the period.
                await self._sweep.check_members(self._resync_seconds / 2)

    async def _check_keys(self) -> None:
        """Check all keys, round after round. The lists of `_resync` don't wait for a round that takes long."""
        await self._leads.wait()
        await asyncio.sleep(min(_WATCHES_STARTED_SECONDS, self._resync_seconds))
        while True:
            await self._sweep.check_keys(self._resync_seconds / 2)

    async def _turn(self) -> None:
        await self._parts.cluster.turn(Loop.WORK)
