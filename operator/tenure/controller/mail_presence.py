"""Finds out whether a mail process runs, so that an Organization that asks for letters can say so."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from tenure.domain.invitations.mail import mail_runs
from tenure.domain.lease import Lease
from tenure.errors import TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.leases import read_lease
from tenure.kube.names import MAIL_LEASE

log = logging.getLogger("tenure.reconcile")

_FRESH_SECONDS = 30.0
"""How long an answer is used. It is longer than the holder takes to renew the Lease."""


class MailPresence:
    """Whether a mail process runs, by the Lease that it renews in Tenure's own namespace."""

    def __init__(self, cluster: Cluster, namespace: str, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._now = now
        self._lease: Lease | None = None
        self._runs: bool | None = None
        self._trouble = ""
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def runs(self) -> bool | None:
        """Return whether a mail process runs, or None if the Lease can't be read."""
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if now >= self._read_at + _FRESH_SECONDS:
                self._read_at = now
                await self._read()
            return self._runs

    async def _read(self) -> None:
        try:
            lease = await read_lease(self._cluster, self._namespace, MAIL_LEASE)
        except TenureError as error:
            if str(error) != self._trouble:
                log.warning("It isn't known whether a mail process runs: %s", error)
            self._runs, self._trouble = None, str(error)
            return
        self._runs, self._lease, self._trouble = mail_runs(lease, self._now(), self._lease), lease, ""
