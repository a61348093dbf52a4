"""The part of a start that needs the API server: tried again while it is away, where somebody can see that."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tenure.errors import ServerAwayError, TenureError, UnavailableError
from tenure.observability.health import Health
from tenure.process.signals import done_before, result_before

log = logging.getLogger("tenure")

_AGAIN_SECONDS = 5.0

T = TypeVar("T")


async def prepared_before(
    stop: asyncio.Event, health: Health, prepare: Callable[[], Coroutine[Any, Any, T]], *, patient: bool
) -> T | None:
    """What `prepare` returns; None: `stop` came first.

    While the API server is away it is tried every 5 seconds if it is `patient`, and `/readyz` says why. An API server
    that has just come back refuses everybody for a moment, so then a refusal counts the second time.

    Raises:
        StartRefusedError: the cluster lacks something; unless it is patient, also where the API server is away.
    """
    away = False
    while True:
        try:
            return await result_before(stop, prepare())
        except (ServerAwayError, UnavailableError) as error:
            if not patient:
                raise
            away, health.obstacle = True, str(error)
        except TenureError as error:
            if not away:
                raise
            away, health.obstacle = False, str(error)
        log.warning("Waiting to start: %s. Trying again in %.0f s", health.obstacle, _AGAIN_SECONDS)
        if not await done_before(stop, asyncio.sleep(_AGAIN_SECONDS)):
            return None
