"""Whether this process can ask the API server: a webhook that can't refuses everything, and others should be asked."""

import asyncio
import time

from tenure.errors import ApiError, UnauthorizedError
from tenure.kube.cluster import Cluster

PATIENCE_SECONDS = 30.0
"""How long the API server may leave a process without an answer before that is called unready."""

LOOK_SECONDS = 5.0


class Reach:
    """Asks the API server by itself only after a question went unanswered, until there is an answer again."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._in_doubt = asyncio.Event()
        self._since = 0.0

    def doubt(self) -> None:
        """Note that a question went unanswered."""
        if not self._in_doubt.is_set():
            self._since = time.monotonic()
            self._in_doubt.set()

    def why_not(self) -> str:
        """Why no change can be judged here, for people; empty: it can, or it is too early to tell."""
        seconds = time.monotonic() - self._since
        if not self._in_doubt.is_set() or seconds < PATIENCE_SECONDS:
            return ""
        return f"the API server hasn't answered for {seconds:.0f} s, so this webhook can't check changes"

    async def watch(self) -> None:
        """Find out, whenever there is a doubt, whether the API server answers; to be cancelled."""
        while True:
            await self._in_doubt.wait()
            if await self._is_answered():
                self._in_doubt.clear()
            await asyncio.sleep(LOOK_SECONDS)

    async def _is_answered(self) -> bool:
        """Ask for what needs neither etcd nor a right: what fails for all replicas is no reason to leave one out."""
        try:
            await self._cluster.read("/version")
        except UnauthorizedError:
            return False
        except ApiError as error:
            return error.status != 0
        return True
