"""Posts Kubernetes Events: one for each occurrence, with a name that is derived from it."""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Any

from tenure.domain.planning.actions import EmitEvent
from tenure.domain.resources import Resource
from tenure.errors import ApiError, NamespaceTerminatingError, UnavailableError
from tenure.kube.cluster import Cluster
from tenure.kube.events import create_event, event_body
from tenure.observability.log_limits import cause_of, warn_once_a_minute

log = logging.getLogger("tenure.reconcile")

CONTROLLER = "tenure.dev/controller"
_PAUSES_SECONDS = (0.1, 0.3, None)
"""After each failed attempt. None: it was the last one."""

BUDGET_SECONDS = 2.0
"""How long reconciliations wait for a store of Events that is away or slow, within `_WINDOW_SECONDS`, all together."""

_WINDOW_SECONDS = 30.0
_SLOW_SECONDS = 0.5
"""An Event that takes longer is charged to the budget, even if it is recorded."""


class Recorder:
    """Posts Events. They often have a store of their own, and Secrets mustn't wait for it.

    An Event is posted again until its budget is used up. After that, Events are only logged until the window ends.
    """

    def __init__(
        self, cluster: Cluster, budget: float = BUDGET_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._window_ends = 0.0
        self._charged_until = 0.0
        self._budget, self._left = budget, budget

    async def record(self, event: EmitEvent, regarding: Resource, now: datetime) -> None:
        """Post an Event on an object. A failure is logged and not raised."""
        began = self._clock()
        if began >= self._window_ends:
            self._left = self._budget
        cause: Hashable = "no answer"
        try:
            failure = await self._post(_body(event, regarding, now), self._left)
        except NamespaceTerminatingError:
            return  # Its Events are deleted with it.
        except ApiError as error:
            failure, cause = str(error), cause_of(error)  # The store answers, so others' Events needn't be dropped.
        else:
            if failure is not None or self._clock() - began > _SLOW_SECONDS:
                self._charge(began)
            if failure is None:
                return
        text = "Event %s on %s %s wasn't recorded: %s"
        warn_once_a_minute(log, cause, text, event.reason, regarding.kind, regarding.name, failure)

    def _charge(self, began: float) -> None:
        """Take the time since a moment from the budget, once for all reconciliations that waited at the same time."""
        if began >= self._window_ends:
            self._window_ends = began + _WINDOW_SECONDS
        ended = self._clock()
        self._left = max(self._left - (ended - max(began, self._charged_until)), 0.0)
        self._charged_until = ended

    async def _post(self, body: Mapping[str, Any], seconds: float) -> str | None:
        """Post an Event within some seconds, and return why the store of Events didn't answer, or None.

        Raises:
            ApiError: the API server rejected the Event.
        """
        failure = "the store of Events doesn't answer"
        if not seconds:
            return f"{failure}, so Tenure doesn't wait for it again yet"
        try:
            async with asyncio.timeout(seconds):
                for pause in _PAUSES_SECONDS:
                    try:
                        await create_event(self._cluster, body)
                    except UnavailableError as error:
                        failure = str(error)
                        if pause is not None:
                            await asyncio.sleep(pause)
                    else:
                        return None
        except TimeoutError:
            pass
        return failure


def _body(event: EmitEvent, regarding: Resource, now: datetime) -> Mapping[str, Any]:
    return event_body(
        regarding,
        now,
        reason=event.reason,
        type_=event.type.value,
        note=event.note,
        occurrence=event.occurrence,
        controller=CONTROLLER,
        action="Reconcile",
    )
