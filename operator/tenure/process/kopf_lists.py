"""Spares Kopf the objects of lists and the new states in watches, and its records of objects.

Kopf would start a task for each listed object, which takes 1.5 ms of CPU time, and keep a record of 1 kB of each object
as long as it exists. With 100,000 keys these are minutes and 100 MB. Tenure's handler needs neither.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from tenure.process.kopf_watches import TakeState, without_states

log = logging.getLogger("tenure")

Take = Callable[[str, Mapping[str, Any]], None]
"""Takes an object from a list, with the list's kind, for example `ApiKeyList`."""

_AT_ONCE = 50
"""Objects that are taken in one go. This takes some milliseconds at most."""


class NoMemories(ResourceMemories):
    """Keeps no record of an object after its event."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        """Return a new record, which isn't kept."""
        return await super().recall(raw_body, **{**options, "ephemeral": True})


def answers_without_objects(take: Take, take_state: TakeState = lambda *_: False) -> type[aiohttp.ClientResponse]:
    """Return the class of a session's answers that gives the objects of a list to `take`, and none to the caller.

    The caller gets the list's resourceVersion, from which it watches, and the token for the next page. From a watch, it
    gets the lines that `take_state` doesn't take.
    """

    class Answer(aiohttp.ClientResponse):
        async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            answer = await super().start(connection)
            if self.url.query.get("watch") == "true" and self.status == HTTPStatus.OK:
                self.content = without_states(self.content, take_state)
            return answer

        async def json(self, **options: Any) -> Any:
            answer = await super().json(**options)
            if isinstance(answer, dict) and isinstance(answer.get("items"), list):
                bodies, answer["items"] = answer["items"], []
                await _take_all(take, str(answer.get("kind")), bodies)
            return answer

    return Answer


async def _take_all(take: Take, kind: str, bodies: list[Mapping[str, Any]]) -> None:
    for number, body in enumerate(bodies):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            take(kind, body)
        except Exception:  # As Kopf does with an event: a defect in one object must not end the watch of all.
            log.exception("An object of a list was ignored because of an unexpected error")
