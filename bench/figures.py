"""What the scenarios measure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from bench.audit import Call, counted
from bench.usage import Spent

SECRETS = frozenset({"secrets"})
API_KEYS = frozenset({"apikeys", "apikeys/status"})
AGGREGATES = frozenset({"memberships/status", "organizations/status"})


@dataclass(frozen=True)
class Calls:
    """The requests of an operator in a stretch of time, watches aside."""

    secret_writes: int
    key_writes: int
    """On ApiKeys and their status."""
    aggregate_writes: int
    """On the status of Memberships and Organizations: sums and lists, many keys to a write."""
    other_writes: int
    """On anything else, such as Events or a Membership's annotations."""
    gets: int
    lists: int
    by_verb_and_resource: dict[str, int]
    """Such as `patch apikeys/status`; watches are here too, one for each that was opened."""

    @classmethod
    def of(cls, calls: Sequence[Call]) -> Self:
        """Count requests."""
        writes = [call.resource for call in calls if call.is_write]
        secrets, keys, aggregates = (
            sum(resource in group for resource in writes) for group in (SECRETS, API_KEYS, AGGREGATES)
        )
        counts = counted(calls)
        return cls(
            secret_writes=secrets,
            key_writes=keys,
            aggregate_writes=aggregates,
            other_writes=len(writes) - secrets - keys - aggregates,
            gets=sum(call.verb == "get" for call in calls),
            lists=sum(call.verb == "list" for call in calls),
            by_verb_and_resource={f"{verb} {resource}": count for (verb, resource), count in sorted(counts.items())},
        )

    @property
    def writes(self) -> int:
        """All writes."""
        return self.secret_writes + self.key_writes + self.aggregate_writes + self.other_writes


@dataclass(frozen=True)
class Memory:
    """Resident memory in megabytes (10⁶ bytes)."""

    peak: float
    end: float


@dataclass(frozen=True)
class Cpu:
    """CPU time in milliseconds per key, and what else the machine did."""

    operator: float
    plane: float
    """Of etcd, API server and controller manager; in it are the load and the benchmark's own watches."""
    others_percent: float
    """What other programs took of the whole machine: the higher, the less all figures say."""

    @classmethod
    def of(cls, spent: Spent, keys: int, *, busy: Spent) -> Self:
        """Share it among the keys; `busy` is the part of the time until the last key was done."""
        share = 1000 / max(keys, 1)
        return cls(spent.operator * share, spent.plane * share, busy.others_percent)


@dataclass(frozen=True)
class Issuing:
    """Keys that were created, and how they were issued."""

    keys: int
    issued: int
    """Fewer than `keys` where the time limit came first; all figures are per issued key."""
    members: int
    seconds: float
    """From the first request to create until the last key was seen ready."""
    keys_per_second: float
    p50_ms: float
    """From the answer to the creation until the key was seen ready."""
    p99_ms: float
    cpu: Cpu
    memory: Memory
    calls: Calls


@dataclass(frozen=True)
class RoleChange:
    """A role change and the end of the member's keys."""

    keys: int
    secrets_gone: int
    secrets_seconds: float
    """From the answer to the change until the last Secret was gone."""
    keys_gone: int
    keys_seconds: float
    """The same for the last ApiKey."""
    cpu: Cpu
    memory: Memory
    calls: Calls


@dataclass(frozen=True)
class ColdStart:
    """A start with many issued keys present."""

    keys: int
    quiet_seconds: float | None
    """From the process's start until it was done: no request and no computing for a second after that; None where it
    never was."""
    cpu_seconds: float
    others_percent: float
    memory: Memory
    calls: Calls


@dataclass(frozen=True)
class Start:
    """A start beside many issued keys."""

    keys: int
    members: int
    ready_seconds: float
    """From the process's start until its log says that it is ready."""
    ready_cpu: float
    """CPU time until then."""
    quiet_seconds: float | None
    """Until no request and no computing for two seconds; None where it never was."""
    cpu_seconds: float
    """CPU time until then."""
    others_percent: float
    memory: Memory
    calls: Calls


@dataclass(frozen=True)
class Bytes:
    """What holds the memory of a key."""

    keys: int
    """Number of keys that were measured."""
    by_owner: Mapping[str, float]
    """Bytes for each key."""


@dataclass(frozen=True)
class Takeover:
    """The leader is killed beside many issued keys."""

    keys: int
    lease_seconds: float
    """For how long the Lease lasts."""
    held_seconds: float
    """From the kill until the standby holds the Lease."""
    issued_seconds: float
    """From the kill until the standby has issued a key that was created meanwhile."""


@dataclass(frozen=True)
class Latency:
    """What answers took, in milliseconds."""

    count: int
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, taken: Sequence[float]) -> Self:
        """Sum up what was taken."""
        return cls(len(taken), percentile(taken, 50), percentile(taken, 99), max(taken, default=math.nan))


@dataclass(frozen=True)
class Backlog:
    """A start beside many keys that wait for their first token."""

    keys: int
    issued: int
    watching_seconds: float
    """From the process's start until all its watches were open."""
    keys_per_second: float
    """From the process's start until the last key was issued."""
    health: Latency
    """Of `/livez` and `/readyz`."""
    reviews: Latency
    """Of role changes in a dry-run, seen by whoever asks for them."""
    reviews_rejected: int
    renewal_gap_seconds: float
    """The longest time between two renewals of the Lease, one every two seconds."""
    revocations: int
    """Number of role changes."""
    revoked_seconds: float
    """From the answer to a role change until the last Secret was gone, the median."""
    revoked_most_seconds: float
    loop_delays: dict[str, int]
    """Number of delays of the event loop up to each bound in seconds."""
    cpu_seconds: float
    others_percent: float
    memory: Memory


@dataclass(frozen=True)
class Background:
    """What an operator does for good while nothing happens."""

    keys: int
    seconds: float
    cpu_percent: float
    """Of one core."""
    gets_per_second: float
    writes: int
    others_percent: float
    memory: Memory


@dataclass(frozen=True)
class Limit:
    """What a client without any logic reaches: the machine's own limit."""

    keys: int
    keys_per_second: float


@dataclass(frozen=True)
class Admission:
    """What judging adds to a role change."""

    changes: int
    request_p50_ms: float
    """What the change took, seen by whoever made it."""
    request_p99_ms: float
    own_p50_ms: float
    """What the judgement took, at our own listener; not a number where nobody says it."""
    own_p99_ms: float
    within_5_ms: float | None
    """The share of judgements that the API server got within this time; None without a webhook."""
    within_25_ms: float | None


@dataclass(frozen=True)
class Verifying:
    """How fast a verifier answers, and what that takes."""

    keys: int
    """That it knows; 0 for a server that knows nothing."""
    requests_per_second: float
    p50_ms: float
    """At half of that rate, as the next."""
    p99_ms: float
    half_per_second: float
    """The rate at which that was."""
    failures: int
    """Answers that were not 200."""
    cpu_us: float
    """CPU time of its processes for each answer. On a busy machine it tells more than the requests in a second."""
    memory: Memory
    others_percent: float


@dataclass(frozen=True)
class Deciding:
    """What a decision takes without HTTP, and what its time gives away."""

    keys: int
    decision_us: float
    """From a token's text to the decision, the median."""
    welch_t: float
    """Unknown id against wrong secret, over HTTP: beyond ±4.5 they can be told apart."""
    requests: int
    """Of each kind."""


@dataclass(frozen=True)
class Pages:
    """What a page of the console takes, one after the other."""

    members: int
    page_bytes: int
    cpu_ms: float
    """CPU time of the console for each page. The target is for this, because other programs don't change it much."""
    p50_ms: float
    """From the request to the end of the answer, with the API server's answers in between."""
    p99_ms: float
    others_percent: float
    memory: Memory


@dataclass(frozen=True)
class Revoking:
    """Role changes while a verifier is fully loaded."""

    changes: int
    p50_ms: float
    """From the answer to the change until no connection to the verifier gets 200 any more."""
    p99_ms: float
    requests_per_second: float
    """The load meanwhile."""
    others_percent: float


Figures = (
    Pages
    | Revoking
    | Verifying
    | Deciding
    | Issuing
    | RoleChange
    | ColdStart
    | Backlog
    | Start
    | Takeover
    | Bytes
    | Background
    | Admission
    | Limit
)


@dataclass(frozen=True)
class Outcome:
    """The figures of one operator in one scenario."""

    scenario: str
    operator: str
    figures: Figures


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that so many percent don't exceed; not a number where there is none."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else math.nan
