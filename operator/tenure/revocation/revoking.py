"""Revoke keys: delete their ApiKeys, several at a time, and report the outcome of each."""

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
"""Waits before the retries, unless the API server names another time."""
LONGEST_WAIT_SECONDS = 10.0
"""Maximum wait before a retry, even if the API server names a longer one."""
CONFLICTS = 3
"""Number of conflicts after which the deletion of a key no longer compares its resourceVersion, but only its uid.

Otherwise somebody could keep a key alive by writing to it again and again.
"""


class Result(StrEnum):
    """The outcome for a key."""

    ENDED = "Ended"
    """Its ApiKey was deleted, so its token is no longer valid."""
    REISSUED = "Reissued"
    """It was reissued after the survey, so the token from the survey is no longer valid."""
    FAILED = "Failed"
    """Its ApiKey couldn't be deleted, and `Outcome.error` says why."""
    LEFT = "Left"
    """Its deletion wasn't attempted, because the command was stopped."""


@dataclass(frozen=True)
class Outcome:
    """A key and its outcome."""

    key: ApiKey
    result: Result
    error: str = ""
    hopeless: bool = False
    """Whether every other key would fail for the same reason."""


async def revoke_keys(
    cluster: Cluster, keys: Sequence[ApiKey], cutoff: Cutoff, stop: asyncio.Event, on_outcome: Callable[[Outcome], None]
) -> None:
    """Revoke keys, and report each as soon as it is done. Once `stop` is set, no further deletion is started."""
    waiting = iter(keys)

    async def work() -> None:
        for key in waiting:
            outcome = Outcome(key, Result.LEFT) if stop.is_set() else await _end(cluster, key, cutoff, stop)
            if outcome.hopeless:
                stop.set()
            on_outcome(outcome)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())


async def _end(cluster: Cluster, key: ApiKey, cutoff: Cutoff, stop: asyncio.Event) -> Outcome:
    """Revoke a key, and retry while the API server is unavailable."""
    for seconds in (*RETRY_AFTER_SECONDS, None):
        try:
            return Outcome(key, await _delete(cluster, key, cutoff))
        except UnavailableError as error:
            if seconds is None or stop.is_set():
                hopeless = error.status in {0, HTTPStatus.UNAUTHORIZED}
                return Outcome(key, Result.FAILED, str(error), hopeless)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(error.retry_after or seconds, LONGEST_WAIT_SECONDS))
        except (ApiError, MalformedObjectError) as error:
            return Outcome(key, Result.FAILED, str(error))
    raise AssertionError("unreachable")


async def _delete(cluster: Cluster, key: ApiKey, cutoff: Cutoff) -> Result:
    """Delete an ApiKey. If it changed since it was read, read it again and compare it with the cutoff again."""
    meant = key
    for _ in range(CONFLICTS):
        try:
            await cluster.delete(key)
        except ConflictError:
            try:
                found = await cluster.get(ApiKey, key.namespace, key.name)
            except ObjectNotFoundError:
                return Result.ENDED
            if found.metadata.uid != key.metadata.uid:
                return Result.ENDED
            if cutoff.judge(found)[0] is Age.NONE or cutoff.has_other_token(found, meant):
                return Result.ENDED if found.metadata.deleting else Result.REISSUED
            key = found
        else:
            return Result.ENDED
    await cluster.delete(key, any_version=True)
    return Result.ENDED
