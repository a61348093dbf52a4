"""What a metric is, and who takes measurements. Nothing here knows how metrics are kept or served."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import NamedTuple


class MetricType(StrEnum):
    """How a metric behaves, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Component(StrEnum):
    """A process of Tenure; `tenure run` with webhooks is two of them."""

    CONTROLLER = "controller"
    WEBHOOK = "webhook"
    VERIFIER = "verifier"


class Verdict(StrEnum):
    """What became of a request that was judged."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    BUSY = "busy"
    """To be tried again at once: another change of the organization's owners is being stored."""
    FAILED = "failed"
    """Refused because it couldn't be judged."""


class Queue(StrEnum):
    """What waits to be reconciled."""

    OBJECTS = "objects"
    BINDINGS = "bindings"
    """Roles and RoleBindings, by the Membership or the namespace that they are for."""


class Outcome(StrEnum):
    """How a reconciliation went."""

    DONE = "done"
    CONFLICT = "conflict"
    """The object changed meanwhile, and is read again; at the fifth attempt in a row that counts as failed."""
    WAITS = "waits"
    """Something of the user's is in the way."""
    FAILED = "failed"


class End(StrEnum):
    """Why a token ended."""

    ROLE_CHANGED = "RoleChanged"
    ROLE_MISMATCH = "RoleMismatch"
    EXPIRED = "Expired"
    MEMBERSHIP_GONE = "MembershipGone"
    ORGANIZATION_GONE = "OrganizationGone"
    DELETED = "Deleted"
    """Somebody deleted the ApiKey."""
    REPLACED = "Replaced"
    """The revision was raised, or the Secret was deleted or edited: another token took its place."""


@dataclass(frozen=True)
class Label:
    """A label, with all of its values, or with what bounds their number."""

    name: str
    values: Sequence[str] = ()
    """All there can be; empty: they come from the cluster."""
    bound: str = ""
    """Where they come from, and how many there can be."""


@dataclass(frozen=True)
class Metric:
    """A metric; the name ends in the unit, and counters in `_total` after it."""

    name: str
    type: MetricType
    help: str
    components: Sequence[Component]
    labels: Sequence[Label] = ()
    buckets: Sequence[float] = ()
    """The upper bounds of a histogram's buckets, in seconds."""
    distinct: bool = False
    """Whether no two of its labels ever have the same value."""
    dashboard: bool = True
    """Whether the chart's dashboard shows it. Others are for queries by hand."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels."""
        return tuple(label.name for label in self.labels)

    def known_series(self) -> Iterator[tuple[str, ...]]:
        """The values of its labels in every series that there can be; none where some come from the cluster.

        They are there from the start: what appears with its first event has no increase.
        """
        if all(label.values for label in self.labels):
            for values in product(*(label.values for label in self.labels)):
                if not self.distinct or len(set(values)) == len(values):
                    yield values


class Reading(NamedTuple):
    """What a gauge shows."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


class Meter:
    """Takes measurements; this one forgets them."""

    def count(self, metric: Metric, *values: str) -> None:
        """Count an event, with the values of the metric's labels."""

    def observe(self, metric: Metric, seconds: float, *values: str) -> None:
        """Note how long something took, with the values of the metric's labels."""
