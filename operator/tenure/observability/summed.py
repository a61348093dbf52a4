"""Adds up the metrics of several processes of the same program, as if they were one."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tenure.observability.catalogue import METRICS

_PROCESS = "process_"
_STARTED = "process_start_time_seconds"
_WORST = {metric.name: metric.worst for metric in METRICS}


def add_up(texts: Sequence[str]) -> str:
    """Return the sum of metrics in Prometheus' text format.

    Counters and histograms are summed, and so are the memory and the files of processes. Of other gauges the worst
    value is shown (`Metric.worst`), and of the start times the first one. Memory that processes share counts for each.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(_merge(texts)))
    return generate_latest(registry).decode()


def _merge(texts: Sequence[str]) -> Iterable[Family]:
    merged: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            known = merged.setdefault(family.name, Family(family.name, family.documentation, family.type))
            series, join = values.setdefault(known.name, {}), _rule(family)
            for sample in family.samples:
                place = sample.name, tuple(sample.labels.items())
                series[place] = join((series[place], sample.value)) if place in series else sample.value
    for name, family in merged.items():
        for (sample_name, labels), value in values[name].items():
            family.add_sample(sample_name, dict(labels), value)
    return merged.values()


def _rule(family: Family) -> Callable[[Sequence[float]], float]:
    if family.type != "gauge" or (family.name.startswith(_PROCESS) and family.name != _STARTED):
        return sum
    return _WORST.get(family.name, min)


class _Families(Collector):
    """Gives families to Prometheus' library as they are."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        """Yield the families."""
        return self._families
