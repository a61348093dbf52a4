"""Types for metrics and measurements. This module doesn't know how metrics are stored or served."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import NamedTuple


class MetricType(StrEnum):
    """The type of a metric, as Prometheus names it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Component(StrEnum):
    """A component of Tenure. The process of `tenure run` with webhooks has two of them."""

    CONTROLLER = "controller"
    WEBHOOK = "webhook"
    VERIFIER = "verifier"
    MAIL = "mail"
    CONSOLE = "console"


class Verdict(StrEnum):
    """The webhook's result for a request."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    BUSY = "busy"
    """Rejected, because another change of the organization's Owners is being stored. Try again at once."""
    FAILED = "failed"
    """Rejected, because the webhook couldn't check it."""


class Queue(StrEnum):
    """A work queue of the controller, by what it contains."""

    OBJECTS = "objects"
    BINDINGS = "bindings"
    """Roles and RoleBindings, by the Membership or the namespace that they are for."""


class Outcome(StrEnum):
    """The outcome of a reconciliation."""

    DONE = "done"
    CONFLICT = "conflict"
    """The object changed meanwhile and is read again. The fifth conflict in a row counts as failed."""
    WAITS = "waits"
    """A user has to act first, or the namespace is being deleted."""
    FAILED = "failed"


class End(StrEnum):
    """Why a token no longer works."""

    ROLE_CHANGED = "RoleChanged"
    ROLE_MISMATCH = "RoleMismatch"
    EXPIRED = "Expired"
    MEMBERSHIP_GONE = "MembershipGone"
    ORGANIZATION_GONE = "OrganizationGone"
    DELETED = "Deleted"
    """Somebody deleted the ApiKey."""
    REPLACED = "Replaced"
    """Another token replaced it, because the revision was raised, or the Secret was deleted or edited."""


@dataclass(frozen=True)
class Label:
    """A label of a metric, with all of its values or with the bound of their number."""

    name: str
    values: Sequence[str] = ()
    """All possible values. Empty if they come from the cluster."""
    bound: str = ""
    """Where the values come from, and how many there can be, for people."""


@dataclass(frozen=True)
class Metric:
    """A metric. Its name ends with the unit, and that of a counter with `_total` after it."""

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
    worst: Callable[[Sequence[float]], float] = min
    """Which of several processes' values a gauge shows: the one that tells of a problem, the lowest or the highest."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels."""
        return tuple(label.name for label in self.labels)

    def known_series(self) -> Iterator[tuple[str, ...]]:
        """Yield the label values of every possible series. There are none if a label's values come from the cluster.

        These series exist from the start, because Prometheus sees no increase in one that appears with its first event.
        """
        if all(label.values for label in self.labels):
            for values in product(*(label.values for label in self.labels)):
                if not self.distinct or len(set(values)) == len(values):
                    yield values


class Reading(NamedTuple):
    """The value of a gauge, with the values of its labels."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


class Meter:
    """Takes measurements. This base class discards them."""

    def count(self, metric: Metric, *values: str) -> None:
        """Count an event, with the values of the metric's labels."""

    def observe(self, metric: Metric, seconds: float, *values: str) -> None:
        """Record a duration, with the values of the metric's labels."""
