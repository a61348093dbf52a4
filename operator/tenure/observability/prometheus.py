"""The metrics of a process, kept and written with Prometheus' own library."""

import platform
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from tenure import __version__
from tenure.observability.catalogue import BUILD_INFO, metrics_of
from tenure.observability.metrics import Component, Meter, Metric, MetricType, Reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Source = Callable[[], Awaitable[Iterable[Reading]]]
"""Reads gauges, when somebody wants to see them."""

# A second series for each counter and histogram, which nobody asks for.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Measurements(Meter):
    """Counts and times what happens, and reads gauges when it is asked for them."""

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
        """Those whose metrics it takes."""
        return tuple(self._components)

    def include(self, component: Component) -> None:
        """Measure another component's metrics too."""
        self._components.append(component)
        for metric in metrics_of(component):
            if metric.name not in self._known:
                self._known.add(metric.name)
                self._register(metric)

    def read_from(self, source: Source) -> None:
        """Have gauges read from a source, each time that somebody wants to see them."""
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
        """Note how long something took."""
        histogram = self._histograms[metric.name]
        (histogram.labels(*values) if values else histogram).observe(seconds)

    async def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
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
    """The latest readings of gauges."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []
        self._readings: Mapping[str, list[Reading]] = {}

    def show(self, readings: Iterable[Reading]) -> None:
        """Show these from now on, and no others."""
        by_name: dict[str, list[Reading]] = {metric.name: [] for metric in self.metrics}
        for reading in readings:
            by_name[reading.metric.name].append(reading)
        self._readings = by_name

    def collect(self) -> Iterable[Family]:
        """Give the readings, as Prometheus' library wants them."""
        for metric in self.metrics:
            family = GaugeMetricFamily(metric.name, metric.help, labels=metric.label_names)
            for reading in self._readings.get(metric.name, ()):
                family.add_metric(reading.labels, reading.value)
            yield family


def _build_info(component: Component) -> Reading:
    return Reading(BUILD_INFO, 1, (component, __version__, platform.python_version()))


def _begin(collector: Counter | Histogram, metric: Metric) -> None:
    """Have all series that there can be begin at zero."""
    for values in filter(None, metric.known_series()):
        collector.labels(*values)
