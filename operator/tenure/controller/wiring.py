"""Puts the controller's parts together: which part feeds which, and what the informer notifies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.controller.access.reconciler import Bindings
from tenure.controller.announcements import Announcements
from tenure.controller.apikeys import ApiKeys
from tenure.controller.cache import Cache
from tenure.controller.enqueuer import Enqueuer
from tenure.controller.executor import Executor
from tenure.controller.fresh_reads import FreshReads
from tenure.controller.informer import Informer
from tenure.controller.lanes import Lanes
from tenure.controller.mail_presence import MailPresence
from tenure.controller.memberships import Memberships
from tenure.controller.organizations import Organizations
from tenure.controller.queue import WorkQueue
from tenure.controller.recorder import Recorder
from tenure.controller.relist import Sweep
from tenure.controller.secret_cleanup import SecretCleanup
from tenure.controller.usage.rounds import UsageRounds
from tenure.controller.usage.verifiers import Verifiers
from tenure.controller.watch_lag import Watches
from tenure.domain.installation import Installation
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.kube.cluster import Cluster
from tenure.observability.metrics import Meter, Queue
from tenure.process.clock import utc_now


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a controller."""

    cluster: Cluster
    cache: Cache
    watches: Watches
    informer: Informer
    reads: FreshReads
    sweep: Sweep
    bindings: Bindings
    queues: Mapping[Queue, WorkQueue]
    reconcilers: Mapping[type[Resource], ApiKeys | Memberships | Organizations]
    installation: Installation
    usage: UsageRounds
    meter: Meter
    now: Callable[[], datetime]


def wire(
    cluster: Cluster,
    *,
    installation: Installation,
    namespaces: Sequence[str] = (),
    system_namespace: str = "",
    reads_per_second: float = 50.0,
    standing_by: bool = False,
    verifiers: Verifiers | None = None,
    usage_seconds: float = 300.0,
    meter: Meter | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Parts:
    """Create the parts. The informer takes states in, its observers enqueue, reconcilers plan, the executor writes.

    Args:
        cluster: The client of the API server.
        installation: The settings for all organizations.
        namespaces: Namespaces to serve. Empty means all.
        system_namespace: Tenure's own namespace, with the Lease of the mail process.
        reads_per_second: Maximum number of Secrets that the sweep reads in a second.
        standing_by: Whether another replica reconciles at first.
        verifiers: Where to ask when keys were used. None: nowhere.
        usage_seconds: Time between two of these questions.
        meter: The meter for all metrics. None means that they are discarded.
        now: The wall clock.
    """
    meter = meter or Meter()
    cache, watches = Cache(), Watches()
    queue = WorkQueue(Lanes(cache, now))
    # The observers are notified in this order, so access is revoked first, and keys are reconciled afterwards.
    bindings = Bindings(cluster, cache, queue, installation=installation, namespaces=namespaces, now=now)
    enqueuer = Enqueuer(queue, cache, now)
    cleanup = SecretCleanup(cluster, queue, meter)
    informer = Informer(cache, watches, (bindings, enqueuer, cleanup), standing_by=standing_by)
    reads = FreshReads(cluster, cache, informer)
    announcements = Announcements()
    executor = Executor(
        cluster=cluster,
        informer=informer,
        enqueuer=enqueuer,
        cleanup=cleanup,
        announcements=announcements,
        bindings=bindings,
        recorder=Recorder(cluster),
        meter=meter,
        now=now,
    )
    usage = UsageRounds(cache, queue, executor, now=now, verifiers=verifiers, seconds=usage_seconds)
    reconcilers: Mapping[type[Resource], ApiKeys | Memberships | Organizations] = {
        ApiKey: ApiKeys(
            cluster=cluster,
            cache=cache,
            reads=reads,
            enqueuer=enqueuer,
            cleanup=cleanup,
            announcements=announcements,
            executor=executor,
            usage=usage,
            installation=installation,
            now=now,
        ),
        Membership: Memberships(
            cache=cache, enqueuer=enqueuer, executor=executor, installation=installation, meter=meter, now=now
        ),
        Organization: Organizations(
            cache=cache,
            queue=queue,
            executor=executor,
            usage=usage,
            bindings=bindings,
            mail=MailPresence(cluster, system_namespace, now),
            installation=installation,
            now=now,
        ),
    }
    return Parts(
        cluster=cluster,
        cache=cache,
        watches=watches,
        informer=informer,
        reads=reads,
        sweep=Sweep(cluster, cache, informer, queue, namespaces, reads_per_second=reads_per_second),
        bindings=bindings,
        queues={Queue.OBJECTS: queue, Queue.BINDINGS: bindings.queue},
        reconcilers=reconcilers,
        installation=installation,
        usage=usage,
        meter=meter,
        now=now,
    )
