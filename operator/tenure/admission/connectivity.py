"""Check whether this process can reach the API server.

A webhook that can't reach it rejects every change, so it becomes unready and the API server asks other replicas.
"""

import asyncio
import time

from tenure.errors import ApiError, UnauthorizedError
from tenure.kube.cluster import Cluster

PATIENCE_SECONDS = 30.0
"""How long the API server may not answer before the process is unready."""

LOOK_SECONDS = 5.0
"""Interval of the checks while there is a doubt."""


class Reach:
    """Checks the connection to the API server, starting after an unanswered request and until there is an answer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._in_doubt = asyncio.Event()
        self._since = 0.0

    def doubt(self) -> None:
        """Record that the API server didn't answer a request."""
        if not self._in_doubt.is_set():
            self._since = time.monotonic()
            self._in_doubt.set()

    def why_not(self) -> str:
        """Return the reason why this process can't check changes.

        It is empty if the process can, or if the API server hasn't been silent for `PATIENCE_SECONDS` yet.
        """
        seconds = time.monotonic() - self._since
        if not self._in_doubt.is_set() or seconds < PATIENCE_SECONDS:
            return ""
        return f"the API server hasn't answered for {seconds:.0f} s, so this webhook can't check changes"

    async def watch(self) -> None:
        """Ask the API server after each doubt until it answers. This runs until its task is cancelled."""
        while True:
            await self._in_doubt.wait()
            if await self._is_answered():
                self._in_doubt.clear()
            await asyncio.sleep(LOOK_SECONDS)

    async def _is_answered(self) -> bool:
        """Read `/version`, which needs neither etcd nor a right.

        A failure of etcd affects all replicas in the same way, so it is no reason to take one of them out of service.
        """
        try:
            await self._cluster.read("/version")
        except UnauthorizedError:
            return False
        except ApiError as error:
            return error.status != 0
        return True
