"""Makes one attempt at one object, and decides what a failure means: when to retry, and what to log and measure."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from tenure.controller.blocked import ObstructedError
from tenure.controller.cache import Cache
from tenure.controller.lanes import Lane
from tenure.controller.queue import Item, WorkQueue
from tenure.errors import ApiError, ConflictError, NamespaceTerminatingError, TenureError
from tenure.kube.turns import yielding
from tenure.observability.catalogue import RECONCILE_DURATION
from tenure.observability.log_limits import cause_of, warn_once_a_minute
from tenure.observability.logs import log_fields, object_fields
from tenure.observability.metrics import Meter, Outcome, Queue

log = logging.getLogger("tenure.reconcile")

MOST_CONFLICTS = 4
"""Maximum number of consecutive conflicts that are normal, because others write too. One more is a failure."""


@dataclass(frozen=True)
class Work:
    """The work of a queue's workers on one item. It handles all failures, so none reaches the queue."""

    cache: Cache
    meter: Meter
    queue: WorkQueue
    name: Queue
    reconcile: Callable[[Item], Awaitable[None]]
    is_entitled: Callable[[], bool]

    async def __call__(self, item: Item) -> None:
        """Reconcile an object, and retry later if that fails."""
        if not self.is_entitled():
            return  # The Lease expired while the process was paused, and the process exits soon.
        ref, began = item.ref, time.perf_counter()
        kind, known = ref.resource.kind, self.cache.get(ref.resource, ref.namespace, ref.name)
        generation = None if known is None else known.metadata.generation
        # A revocation doesn't wait for a connection behind thousands of keys that are issued.
        with (
            log_fields(object=object_fields(kind, ref.namespace, ref.name), generation=generation),
            yielding(yields=item.lane is not Lane.ENDS),
        ):
            outcome = await self._try(item)
        seconds = time.perf_counter() - began
        self.meter.observe(RECONCILE_DURATION, seconds, self.name.value, kind, outcome.value)

    async def _try(self, item: Item) -> Outcome:
        try:
            await self.reconcile(item)
        except ConflictError as error:
            # Read the Secret too, because it shows a half-done attempt, e.g. one that deleted it and wrote no status.
            delay = self.queue.back_off(replace(item, checked=True))
            if (attempts := self.queue.failures(item.ref)) <= MOST_CONFLICTS:
                log.debug("%s: another writer changed it, so it is read again: %s", item.ref, error)
                return Outcome.CONFLICT
            log.warning(
                "%s: other writers changed it during each of %d attempts: %s. Trying again in %.1f s",
                item.ref,
                attempts,
                error,
                delay,
            )
            return Outcome.FAILED
        except (ObstructedError, NamespaceTerminatingError) as error:
            log.info("%s: waits: %s", item.ref, error)
            self.queue.back_off(item, at_least=1.0)
            return Outcome.WAITS
        except TenureError as error:
            retry_after = error.retry_after if isinstance(error, ApiError) else None
            delay = self.queue.back_off(item, at_least=retry_after or 0.0)
            text = "%s: %s. Trying again in %.1f s"
            warn_once_a_minute(log, cause_of(error, item.ref), text, item.ref, error, delay)
            return Outcome.FAILED
        except Exception:  # One object's defect must not stop the others. It is logged with its traceback.
            delay = self.queue.back_off(item, at_least=1.0)
            log.exception("%s: unexpected error. Trying again in %.1f s", item.ref, delay)
            return Outcome.FAILED
        self.queue.succeed(item.ref)
        return Outcome.DONE
