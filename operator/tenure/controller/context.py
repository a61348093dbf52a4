"""What every reconciliation works with."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tenure.controller.cache import Change, Mirror, Ref
from tenure.controller.dependents import effects
from tenure.controller.queue import Purpose, WorkQueue
from tenure.controller.shared_reads import SharedReads
from tenure.controller.watch_lag import Watches
from tenure.domain.access.bindings import BindingState
from tenure.domain.installation import Installation
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.observability.metrics import Meter

R = TypeVar("R", bound=Resource)

log = logging.getLogger("tenure.reconcile")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _ignore(*_: object) -> None:
    """Nobody asked to be told."""


async def _ready(_: ApiKey) -> None:
    """Nothing has to be done first."""


def _unknown(_: str) -> None:
    """Nobody knows."""


@dataclass
class Context:
    """The cluster, the mirror and the queue, and the one way in which news enters."""

    cluster: Cluster
    installation: Installation = field(default_factory=Installation)
    mirror: Mirror = field(default_factory=Mirror)
    queue: WorkQueue = field(default_factory=WorkQueue)
    watches: Watches = field(default_factory=Watches)
    meter: Meter = field(default_factory=Meter)
    now: Callable[[], datetime] = _utc_now
    ended: Callable[[Resource], None] = _ignore
    """Told of each object that is gone for good, as it was last seen."""
    standing_by: bool = False
    """Whether another replica does the work: what is learnt is remembered, and nobody is queued."""
    restored: Callable[[], None] = _ignore
    """Told that etcd was restored from a backup: what was seen to be gone may be there again."""

    changed: Callable[[Change], None] = _ignore
    """Told of each change, unless another replica does the work."""
    before_issue: Callable[[ApiKey], Awaitable[None]] = _ready
    """Awaited before a token gets a Secret's name."""
    binding_state: Callable[[str], BindingState | None] = _unknown
    """What is known of the members' access to Kubernetes in a namespace."""

    def __post_init__(self) -> None:
        self._memberships = SharedReads[Ref, Membership | None](self._read_membership)
        self._organizations = SharedReads[Ref, Organization | None](self._read_organization)

    def take_in(self, resource: Resource, *, ours: bool = False, told: bool = False) -> None:
        """Learn an object's state; `ours` where our own write led to it, so that it needn't be looked at again.

        `told`: the watch showed it.
        """
        now = asyncio.get_running_loop().time()
        change = self.mirror.put(resource, now)
        if change is not None:
            if not told:
                self.watches.expect(change.ref, int(resource.metadata.resource_version), now)
            self.spread(change, itself=not ours)
            if change.old is not None and change.old.metadata.uid != resource.metadata.uid:
                self.ended(change.old)

    def spread(self, change: Change, *, itself: bool) -> None:
        """Queue all whom a change concerns."""
        if self.standing_by:
            return
        self.changed(change)
        if itself:
            self.queue.add(change.ref)
        for effect in effects(change, self.mirror, self.installation):
            if effect.settled:
                self.queue.settle(effect.ref)
            else:
                self.queue.add(effect.ref)

    def wake(self, ref: Ref, at: datetime | None) -> None:
        """Look at an object at a moment of the wall clock; None: at none."""
        delay = None if at is None else max((at - self.now()).total_seconds(), 0.0)
        when = None if delay is None else asyncio.get_running_loop().time() + delay
        self.queue.add_at(ref, when, Purpose.WAKE)

    async def membership(self, namespace: str, name: str, since: float) -> Membership | None:
        """The Membership by a consistent read that started at `since` or later; None: it doesn't exist."""
        ref = Ref(Membership, namespace, name)
        reading = await self._memberships.get(ref, since)
        return self._newest(ref, Membership, reading.value, reading.started)

    async def organization(self, namespace: str, name: str, since: float) -> Organization | None:
        """The Organization by a consistent read that started at `since` or later; None: it doesn't exist."""
        ref = Ref(Organization, namespace, name)
        reading = await self._organizations.get(ref, since)
        return self._newest(ref, Organization, reading.value, reading.started)

    async def refresh(self, ref: Ref) -> None:
        """Read an object again after a conflict; it is queued where there is news."""
        with contextlib.suppress(ObjectNotFoundError):
            self.take_in(await self.cluster.get(ref.resource, ref.namespace, ref.name))

    def _newest(self, ref: Ref, resource: type[R], read: R | None, started: float) -> R | None:
        """What was read, or what the watch has shown since."""
        if read is not None:
            self.take_in(read)
            return self.mirror.get(resource, ref.namespace, ref.name)
        if self.mirror.seen_at(ref) > started:
            return self.mirror.get(resource, ref.namespace, ref.name)
        return None

    async def _read_membership(self, ref: Ref) -> Membership | None:
        return await self._read(Membership, ref)

    async def _read_organization(self, ref: Ref) -> Organization | None:
        return await self._read(Organization, ref)

    async def _read(self, resource: type[R], ref: Ref) -> R | None:
        try:
            return await self.cluster.get(resource, ref.namespace, ref.name)
        except ObjectNotFoundError:
            return None
