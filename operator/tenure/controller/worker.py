"""One attempt at one object, and what its failure means: when it is tried again, and what is logged and measured."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from tenure.controller.blocked import ObstructedError
from tenure.controller.cache import Cache
from tenure.controller.queue import Item, WorkQueue
from tenure.errors import ApiError, ConflictError, NamespaceTerminatingError, TenureError
from tenure.observability.catalogue import RECONCILE_DURATION
from tenure.observability.logcontext import log_fields, object_fields
from tenure.observability.metrics import Meter, Outcome, Queue

log = logging.getLogger("tenure.reconcile")

MOST_CONFLICTS = 4
"""Attempts in a row that may end in a conflict, as they do while others write too; what goes on is a failure."""


@dataclass(frozen=True)
class Work:
    """What a queue's workers do with an item; no failure reaches the queue."""

    cache: Cache
    meter: Meter
    queue: WorkQueue
    name: Queue
    reconcile: Callable[[Item], Awaitable[None]]
    is_entitled: Callable[[], bool]

    async def __call__(self, item: Item) -> None:
        """Reconcile an object, and try again later where that fails."""
        if not self.is_entitled():
            return  # The Lease ran out while the process was held up, and is given up at once.
        ref, began = item.ref, time.perf_counter()
        kind, known = ref.resource.kind, self.cache.get(ref.resource, ref.namespace, ref.name)
        generation = None if known is None else known.metadata.generation
        with log_fields(object=object_fields(kind, ref.namespace, ref.name), generation=generation):
            outcome = await self._try(item)
        seconds = time.perf_counter() - began
        self.meter.observe(RECONCILE_DURATION, seconds, self.name.value, kind, outcome.value)

    async def _try(self, item: Item) -> Outcome:
        try:
            await self.reconcile(item)
        except ConflictError as error:
            # Whatever was half done, e.g. a Secret deleted and the status not written, shows in the Secret.
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
            log.warning("%s: %s. Trying again in %.1f s", item.ref, error, delay)
            return Outcome.FAILED
        except Exception:  # One object's defect must not stop the others; it is logged whole.
            delay = self.queue.back_off(item, at_least=1.0)
            log.exception("%s: unexpected error. Trying again in %.1f s", item.ref, delay)
            return Outcome.FAILED
        self.queue.succeed(item.ref)
        return Outcome.DONE
