"""The load: ApiKeys created as fast as 16 connections carry them, or at a steady rate."""

import asyncio
import time
from dataclasses import dataclass, field

from bench.api import CONNECTIONS, MERGE_PATCH, Api
from bench.tenancy import Tenancy


@dataclass
class Created:
    """When the creations began, and when each was answered, on the monotonic clock."""

    begun: float = field(default_factory=time.monotonic)
    answered: dict[str, float] = field(default_factory=dict)


async def create_at_once(api: Api, place: Tenancy, count: int) -> Created:
    """Create so many keys as fast as the connections carry them."""
    created, numbers = Created(), iter(range(count))

    async def work() -> None:
        for number in numbers:
            await _create(api, place, number, created)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())
    return created


async def rotate_at_once(api: Api, place: Tenancy, count: int) -> Created:
    """Ask for one rotation of so many keys, as fast as the connections carry it; their former tokens stay valid."""
    asked, numbers = Created(), iter(range(count))
    patch = {"spec": {"rotation": {"request": 1, "overlap": "100h"}}}

    async def work() -> None:
        for number in numbers:
            name = place.key(number)["metadata"]["name"]
            await api.send("PATCH", f"{place.keys}/{name}", patch, MERGE_PATCH)
            asked.answered[name] = time.monotonic()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())
    return asked


async def write_as_an_operator_would(api: Api, place: Tenancy, count: int) -> float:
    """Create so many keys, and for each its Secret and its status, by one client that decides nothing; the seconds."""
    begun, numbers = time.monotonic(), iter(range(count))

    async def work() -> None:
        for number in numbers:
            body = place.key(number)
            name = body["metadata"]["name"]
            await api.send("POST", place.keys, body)
            await api.send("POST", place.secrets, {"metadata": {"name": name}, "data": {"token": "dG9rZW4="}})
            status = {"status": {"keyId": name, "secretName": name, "observedGeneration": 1}}
            await api.send("PATCH", f"{place.keys}/{name}/status", status, MERGE_PATCH)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())
    return time.monotonic() - begun


async def create_steadily(api: Api, place: Tenancy, count: int, *, per_second: float) -> Created:
    """Create so many keys on a schedule, which holds whatever the answers take."""
    created = Created()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(created.begun + number / per_second - time.monotonic(), 0.0))
            group.create_task(_create(api, place, number, created))
    return created


async def _create(api: Api, place: Tenancy, number: int, created: Created) -> None:
    body = place.key(number)
    await api.send("POST", place.keys, body)
    created.answered[body["metadata"]["name"]] = time.monotonic()
