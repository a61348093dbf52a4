"""End keys: delete their ApiKeys, several at a time, and say of each what became of it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from tenure.domain.cutoff import Age, Cutoff
from tenure.domain.resources import ApiKey
from tenure.errors import ApiError, ConflictError, MalformedObjectError, ObjectNotFoundError, UnavailableError
from tenure.kube.cluster import CONNECTIONS, Cluster

RETRY_AFTER_SECONDS = (0.5, 1.0, 2.0)
LONGEST_WAIT_SECONDS = 10.0
CONFLICTS = 3
"""How often a key may change under our hands; after that only its uid has to fit, so that nobody can keep a key alive
by writing to it again and again."""


class Fate(StrEnum):
    """What became of a key."""

    ENDED = "Ended"
    """Its ApiKey is deleted, so its token is dead."""
    REISSUED = "Reissued"
    """It was issued anew since it was looked at, so the token that was meant is dead."""
    FAILED = "Failed"
    LEFT = "Left"
    """It wasn't tried any more."""


@dataclass(frozen=True)
class Outcome:
    """A key and what became of it."""

    key: ApiKey
    fate: Fate
    error: str = ""
    hopeless: bool = False
    """Whether every other key will fail likewise."""


async def end_keys(
    cluster: Cluster, keys: Sequence[ApiKey], cutoff: Cutoff, stop: asyncio.Event, on_outcome: Callable[[Outcome], None]
) -> None:
    """End keys, and report each as soon as it is done; after `stop` none is begun any more."""
    waiting = iter(keys)

    async def work() -> None:
        for key in waiting:
            outcome = Outcome(key, Fate.LEFT) if stop.is_set() else await _end(cluster, key, cutoff, stop)
            if outcome.hopeless:
                stop.set()
            on_outcome(outcome)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())


async def _end(cluster: Cluster, key: ApiKey, cutoff: Cutoff, stop: asyncio.Event) -> Outcome:
    """End a key, and try again where that can help."""
    for seconds in (*RETRY_AFTER_SECONDS, None):
        try:
            return Outcome(key, await _delete(cluster, key, cutoff))
        except UnavailableError as error:
            if seconds is None or stop.is_set():
                hopeless = error.status in {0, HTTPStatus.UNAUTHORIZED}
                return Outcome(key, Fate.FAILED, str(error), hopeless)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(error.retry_after or seconds, LONGEST_WAIT_SECONDS))
        except (ApiError, MalformedObjectError) as error:
            return Outcome(key, Fate.FAILED, str(error))
    raise AssertionError("unreachable")


async def _delete(cluster: Cluster, key: ApiKey, cutoff: Cutoff) -> Fate:
    """Delete an ApiKey; one that changed since it was read is judged anew."""
    meant = key
    for _ in range(CONFLICTS):
        try:
            await cluster.delete(key)
        except ConflictError:
            try:
                found = await cluster.get(ApiKey, key.namespace, key.name)
            except ObjectNotFoundError:
                return Fate.ENDED
            if found.metadata.uid != key.metadata.uid:
                return Fate.ENDED
            if cutoff.judge(found)[0] is Age.NONE or cutoff.has_other_token(found, meant):
                return Fate.ENDED if found.metadata.deleting else Fate.REISSUED
            key = found
        else:
            return Fate.ENDED
    await cluster.delete(key, any_version=True)
    return Fate.ENDED
