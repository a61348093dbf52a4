"""Retries the part of a start that needs the API server, while the API server doesn't answer."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tenure.errors import ServerAwayError, TenureError, UnavailableError
from tenure.observability.health import Health
from tenure.observability.log_limits import warn_once_a_minute
from tenure.process.signals import done_before, result_before

log = logging.getLogger("tenure")

_AGAIN_SECONDS = 5.0

T = TypeVar("T")


async def prepared_before(
    stop: asyncio.Event, health: Health, prepare: Callable[[], Coroutine[Any, Any, T]], *, patient: bool
) -> T | None:
    """Return the result of `prepare`, or None if `stop` is set first.

    If `patient`, it retries every 5 seconds while the API server doesn't answer, and `/readyz` says why. Otherwise, it
    does so only once the API server has answered the first question, because it exists then, and it or this machine is
    busy. An API server that has just come back rejects all requests for a moment. So after an outage, only the second
    rejection in a row is raised.

    Raises:
        StartRefusedError: the cluster lacks something. Unless `patient`, also if the API server doesn't answer at all.
    """
    away = False
    while True:
        try:
            return await result_before(stop, prepare())
        except (ServerAwayError, UnavailableError) as error:
            if not (patient or away) and isinstance(error, ServerAwayError):  # Only the first question raises it.
                raise
            away, health.obstacle = True, str(error)
        except TenureError as error:
            if not away:
                raise
            away, health.obstacle = False, str(error)
        text = "Waiting to start: %s. Trying again every %.0f s"
        warn_once_a_minute(log, away, text, health.obstacle, _AGAIN_SECONDS)
        if not await done_before(stop, asyncio.sleep(_AGAIN_SECONDS)):
            return None
