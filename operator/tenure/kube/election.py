"""Elects the replica that reconciles: it takes a Lease by compare-and-swap, and keeps it by renewing it.

As in client-go, clocks of other machines don't count. A waiting replica treats the Lease as expired once it hasn't seen
it change for the Lease's duration, by its own monotonic clock.
"""

import asyncio
import contextlib
import logging
import os
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from secrets import token_hex

from tenure.domain.lease import Lease
from tenure.errors import AlreadyExistsError, ConflictError, LeadershipLostError, ObjectNotFoundError, TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.leases import read_lease, write_lease

log = logging.getLogger("tenure.election")

_RELEASE_ATTEMPTS = 3
_RELEASE_SECONDS = 1.0
_CHANGED = (ConflictError, AlreadyExistsError, ObjectNotFoundError)


@dataclass(frozen=True)
class Timing:
    """The durations of an election, in seconds.

    Attributes:
        lease: How long the Lease is valid after a renewal.
    """

    lease: int = 15

    @property
    def deadline(self) -> float:
        """How long the holder leads without a renewal. It stops well before another replica may start."""
        return self.lease * 2 / 3

    @property
    def renewal(self) -> float:
        """How long the holder waits between two renewals."""
        return self.lease * 2 / 15

    @property
    def request(self) -> float:
        """How long one request may take, as in client-go. If it hangs, there is time for a second one.

        It isn't shorter, because otherwise an overloaded API server would also cost its leaders their Leases.
        """
        return self.deadline / 2

    @property
    def look(self) -> float:
        """How long a waiting replica waits before it reads again, and any replica before it retries."""
        return min(self.lease / 15, 1.0)


def new_identity() -> str:
    """Return a name that no other process has or had. In a pod it begins with the pod's name."""
    return f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}"


class Election:
    """A replica's part in the election. Call all methods in the event loop's thread."""

    def __init__(self, cluster: Cluster, namespace: str, name: str, identity: str, timing: Timing) -> None:
        self._cluster = cluster
        self._identity = identity
        self._timing = timing
        self._blank = Lease(namespace, name, "", "", datetime.now(UTC), timing.lease)
        self._loop = asyncio.get_running_loop()
        self._seen = self._blank
        self._seen_at = float("-inf")
        self._held = self._blank
        self._renewed_at = float("-inf")
        self._claiming: asyncio.Task[Lease] | None = None
        self._rehearsed_at = self._took_part_at = self._loop.time()
        self._trouble = ""

    def holds(self) -> bool:
        """Whether this replica leads, by its own clock. This is right even just after a pause of the process."""
        return self._loop.time() < self._renewed_at + self._timing.deadline

    def describe(self) -> str:
        """The leader, for people."""
        if self.holds():
            return f"leader: {self._identity} (this replica)"
        return f"leader: {self._seen.holder or 'none'}"

    def why_not_ready(self) -> str:
        """The reason why this replica can't lead or take over, for people. Empty if it can."""
        age = self._loop.time() - self._took_part_at
        if age <= self._timing.lease:
            return ""
        return f"it hasn't taken part in the election for {age:.0f} s ({self._trouble or 'the process was paused'})"

    async def acquire(self) -> None:
        """Wait until this replica leads. Errors are logged, and it tries again."""
        while not self.holds():
            try:
                await self._try_acquire()
            except (ConflictError, AlreadyExistsError):
                log.debug("%s: another replica was faster", self._where)
                self._take_note()
            except TenureError as error:
                self._warn(f"waits, because it can't read or write {self._where}: {error}")
            else:
                self._take_note()
            if not self.holds():
                await asyncio.sleep(self._timing.look)
        log.info("leads: %s holds %s", self._identity, self._where)

    async def keep(self) -> None:
        """Renew the Lease forever.

        Raises:
            LeadershipLostError: another replica holds it, or it couldn't be renewed in time.
        """
        pause = self._timing.renewal
        while True:
            await asyncio.sleep(min(pause, max(self._left, 0.0)))
            if not self.holds():
                raise LeadershipLostError(
                    f"leadership lost, so the process exits: it couldn't renew {self._where} for "
                    f"{self._timing.deadline:.0f} s ({self._trouble or 'the process was paused'})"
                )
            try:
                await self._renew()
            except LeadershipLostError:
                self._renewed_at = float("-inf")
                raise
            except TenureError as error:
                self._warn(f"leads, but can't renew {self._where}: {error}")
                pause = self._timing.look
            else:
                pause = self._timing.renewal
                self._take_note()

    async def release(self) -> None:
        """Release the Lease, if this replica holds it, so that another one doesn't have to wait."""
        await self._end_claim(seconds=0 if self.holds() else _RELEASE_SECONDS)
        self._renewed_at = float("-inf")
        try:
            for _ in range(_RELEASE_ATTEMPTS):
                if await self._try_release():
                    return
        except TenureError as error:
            log.warning("can't release %s, which expires in %d s: %s", self._where, self._timing.lease, error)

    @property
    def _where(self) -> str:
        return f"Lease {self._blank.namespace}/{self._blank.name}"

    @property
    def _left(self) -> float:
        """How long this replica still leads without a renewal."""
        return self._renewed_at + self._timing.deadline - self._loop.time()

    @property
    def _renewal_seconds(self) -> float:
        """How long a request of a renewal may take."""
        return max(min(self._left, self._timing.request), 0.1)

    async def _try_acquire(self) -> None:
        lease = await self._read(self._timing.request)
        self._observe(lease)
        # A deleted Lease still belongs to its holder, which creates it again.
        held = (self._seen if lease is None else lease).holder not in {"", self._identity}
        if not held or self._loop.time() >= self._seen_at + self._seen.seconds:
            await self._claim(lease or self._blank, self._timing.request)
        elif lease is not None and self._loop.time() >= self._rehearsed_at + self._timing.lease:
            await self._rehearse(lease)

    async def _rehearse(self, lease: Lease) -> None:
        """Check by a dry-run that this replica could write the Lease, because another one may hold it for months."""
        with contextlib.suppress(ConflictError):  # The holder was faster, and nothing else prevented the write.
            await write_lease(self._cluster, lease, seconds=self._timing.request, dry_run=True)
        self._rehearsed_at = self._loop.time()

    def _observe(self, lease: Lease | None) -> None:
        """Record the Lease, and when its holder last changed it. Only fields that the holder writes count."""
        if lease is None:
            return
        known, self._seen = self._seen, lease
        if (known.holder, known.acquired, known.renewed) != (lease.holder, lease.acquired, lease.renewed):
            self._seen_at = self._loop.time()
        if lease.holder not in {known.holder, "", self._identity}:
            log.info("waits: %s leads (%s)", lease.holder, self._where)

    async def _renew(self) -> None:
        try:
            await self._claim(self._held, self._renewal_seconds)
        except _CHANGED:
            lease = await self._read(self._renewal_seconds)
            if lease is not None and lease.holder not in {"", self._identity}:
                self._seen = lease
                raise LeadershipLostError(
                    f"leadership lost, so the process exits: {lease.holder} leads ({self._where})"
                ) from None
            await self._claim(lease or self._blank, self._renewal_seconds)

    async def _claim(self, lease: Lease, seconds: float) -> None:
        """Write the Lease with this replica as holder, unless it changed. The time counts from before the request."""
        began, now = self._loop.time(), datetime.now(UTC)
        claim = replace(lease, holder=self._identity, seconds=self._timing.lease, renewed=now)
        if lease.holder != self._identity:
            claim = replace(claim, acquired=now, transitions=lease.transitions + bool(lease.resource_version))
        # A task of its own, so that it continues if the election is cancelled.
        self._claiming = asyncio.create_task(write_lease(self._cluster, claim, seconds=seconds), name="claim")
        await asyncio.wait([self._claiming])
        self._held = self._seen = self._claiming.result()
        self._renewed_at = began

    async def _end_claim(self, *, seconds: float) -> None:
        """Wait at most so many seconds for a claim under way, and then cancel it.

        If the API server stored a claim after the release has read the Lease, the Lease would belong to a process that
        doesn't exist any more. A renewal can't do that, because it names a version and the release writes a new one.
        """
        if self._claiming is not None:
            await asyncio.wait([self._claiming], timeout=seconds)
            self._claiming.cancel()
            await asyncio.gather(self._claiming, return_exceptions=True)

    async def _read(self, seconds: float) -> Lease | None:
        return await read_lease(self._cluster, self._blank.namespace, self._blank.name, seconds=seconds)

    async def _try_release(self) -> bool:
        """Release the Lease, and return False if it changed meanwhile."""
        lease = await self._read(_RELEASE_SECONDS)
        if lease is None or lease.holder != self._identity:
            return True
        try:
            await write_lease(self._cluster, replace(lease, holder=""), seconds=_RELEASE_SECONDS)
        except _CHANGED:
            return False
        log.info("released: %s", self._where)
        return True

    def _take_note(self) -> None:
        """Record that this replica has just taken part in the election."""
        self._took_part_at, self._trouble = self._loop.time(), ""

    def _warn(self, trouble: str) -> None:
        """Log a problem, unless it is the same as before."""
        if trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble
