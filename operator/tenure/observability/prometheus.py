"""Stores the metrics of a process and writes them as text, with Prometheus' own library."""

import platform
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from tenure import __version__
from tenure.observability.catalogue import metrics_of
from tenure.observability.metrics import Component, Meter, Metric, MetricType, Reading
from tenure.observability.process_catalogue import BUILD_INFO

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Source = Callable[[], Awaitable[Iterable[Reading]]]
"""Reads gauges, at each scrape."""

# They would be a second series for each counter and histogram, which Tenure doesn't use.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Measurements(Meter):
    """Counts events, records durations, and reads gauges at each scrape."""

    def __init__(self, component: Component) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._components: list[Component] = []
        self._known: set[str] = set()
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._counted: dict[tuple[str, ...], Counter] = {}
        self._gauges = _Gauges()
        self._sources: list[Source] = []
        self._registry.register(self._gauges)
        ProcessCollector(registry=self._registry)
        self.include(component)

    @property
    def components(self) -> Sequence[Component]:
        """The components whose metrics it measures."""
        return tuple(self._components)

    def include(self, component: Component) -> None:
        """Measure another component's metrics too."""
        self._components.append(component)
        for metric in metrics_of(component):
            if metric.name not in self._known:
                self._known.add(metric.name)
                self._register(metric)

    def read_from(self, source: Source) -> None:
        """Read gauges from a source too, at each scrape."""
        self._sources.append(source)

    def count(self, metric: Metric, *values: str) -> None:
        """Count an event."""
        place = (metric.name, *values)
        counter = self._counted.get(place)
        if counter is None:
            whole = self._counters[metric.name]
            counter = self._counted[place] = whole.labels(*values) if values else whole
        counter.inc()

    def observe(self, metric: Metric, seconds: float, *values: str) -> None:
        """Record a duration."""
        histogram = self._histograms[metric.name]
        (histogram.labels(*values) if values else histogram).observe(seconds)

    async def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        readings = [_build_info(component) for component in self._components]
        for source in self._sources:
            readings += await source()
        self._gauges.show(readings)
        return generate_latest(self._registry)

    def _register(self, metric: Metric) -> None:
        name, about, labels = metric.name, metric.help, metric.label_names
        match metric.type:
            case MetricType.GAUGE:
                self._gauges.metrics.append(metric)
            case MetricType.COUNTER:
                self._counters[name] = Counter(name, about, labels, registry=self._registry)
                _begin(self._counters[name], metric)
            case MetricType.HISTOGRAM:
                histogram = Histogram(name, about, labels, registry=self._registry, buckets=metric.buckets)
                self._histograms[name] = histogram
                _begin(histogram, metric)


class _Gauges(Collector):
    """Gives Prometheus' library the latest readings of gauges."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []
        self._readings: Mapping[str, list[Reading]] = {}

    def show(self, readings: Iterable[Reading]) -> None:
        """Replace all readings by these."""
        by_name: dict[str, list[Reading]] = {metric.name: [] for metric in self.metrics}
        for reading in readings:
            by_name[reading.metric.name].append(reading)
        self._readings = by_name

    def collect(self) -> Iterable[Family]:
        """Yield the readings as metric families of Prometheus' library."""
        for metric in self.metrics:
            family = GaugeMetricFamily(metric.name, metric.help, labels=metric.label_names)
            for reading in self._readings.get(metric.name, ()):
                family.add_metric(reading.labels, reading.value)
            yield family


def _build_info(component: Component) -> Reading:
    return Reading(BUILD_INFO, 1, (component, __version__, platform.python_version()))


def _begin(collector: Counter | Histogram, metric: Metric) -> None:
    """Create all possible series of a metric with the value zero."""
    for values in filter(None, metric.known_series()):
        collector.labels(*values)
