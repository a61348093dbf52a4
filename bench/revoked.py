"""How soon a verifier rejects the tokens of a member whose role changes, while it is fully loaded."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from bench.api import collection
from bench.asked import Asked, request
from bench.figures import Revoking, percentile
from bench.scenario import Bench
from bench.tenancy import Tenancy, change_role
from bench.usage import Usage
from bench.wrk import Load

CONNECTIONS = 8
"""So many are kept open to see a revocation. All processes have some of them."""


class Loaded(Protocol):
    """A running verifier."""

    port: int
    usage: Usage

    async def load(self, folder: Path, seconds: int) -> Load:
        """Send requests, as fast as they are answered."""


async def revoke(bench: Bench, contender: Loaded, keys: Sequence[Asked], changes: int) -> Revoking:
    """Change roles while the verifier is fully loaded, and see when each connection's answer changes."""
    loading = asyncio.create_task(contender.load(bench.launcher.folder, 5 + changes // 5))
    before, taken = contender.usage.spent(), []
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(_connected(contender.port)) for _ in range(CONNECTIONS)]
        mine = [one for one in keys if one.namespace == keys[0].namespace][:changes]
        for one in mine:
            member = (await bench.api.get(f"{collection(one.namespace, 'apikeys')}/{one.name}"))["spec"]["membership"]
            changed = await change_role(bench.api, Tenancy(one.namespace, ()), member, "Viewer")
            ends = await asyncio.gather(
                *(_rejected_at(*each, request(one.namespace, one.token)) for each in connections)
            )
            taken.append((max(ends) - changed) * 1000)
    full = await loading
    others = (contender.usage.spent() - before).others_percent
    return Revoking(len(taken), percentile(taken, 50), percentile(taken, 99), full.per_second, others)


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        yield reader, writer


async def _rejected_at(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes) -> float:
    """Ask again and again until the answer isn't 200, and return that moment."""
    while True:
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        if not head.startswith(b"HTTP/1.1 200"):
            return time.monotonic()
