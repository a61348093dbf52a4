"""The metrics that every process has."""

from tenure.observability.metrics import Component, Label, Metric, MetricType

NO_ANSWER = "0"
"""The HTTP status of a request that got no answer."""

_ALL = tuple(Component)
GATED = tuple(component for component in Component if component is not Component.CONSOLE)
"""All but the console, which asks the API server only for the person who opens a page."""

_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM

BUILD_INFO = Metric(
    "tenure_build_info",
    _GAUGE,
    "Always 1. Its labels are the running version of Tenure and of Python.",
    _ALL,
    (Label("component", tuple(Component)), Label("version", bound="one"), Label("python", bound="one")),
    dashboard=False,
)
READY = Metric(
    "tenure_ready",
    _GAUGE,
    "Whether a component is ready, as in /readyz: 1 if it is, 0 if not.",
    _ALL,
    (Label("component", _ALL),),
)
API_REQUESTS = Metric(
    "tenure_api_requests_total",
    _COUNTER,
    "Number of requests to the API server, without watches, by HTTP status. 0 means that there was no answer.",
    _ALL,
    (Label("method", bound="GET, POST, PUT, PATCH, DELETE"), Label("code", bound="HTTP status codes")),
)
LOOP_DELAY = Metric(
    "tenure_event_loop_delay_seconds",
    _HISTOGRAM,
    "Time for which a due task of the process waits for its turn, measured ten times a second. Every answer waits as "
    "long, also those to the kubelet.",
    _ALL,
    dashboard=False,
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
API_SERVER_AWAY = Metric(
    "tenure_api_server_away_seconds",
    _GAUGE,
    "Time for which the API server has been away, so that requests wait for one probe. 0 means that it answers.",
    GATED,
    worst=max,
)

PROCESS_METRICS = tuple(value for value in vars().copy().values() if isinstance(value, Metric))
"""All of them, in the order of the reference page."""
