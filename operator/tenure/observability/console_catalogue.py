"""The metrics of `tenure console-server`, as data. They are part of the catalogue."""

from tenure.observability.metrics import Component, Label, Metric, MetricType

_CONSOLE = (Component.CONSOLE,)

CONSOLE_ANSWERS = Metric(
    "tenure_console_answers_total",
    MetricType.COUNTER,
    "Number of answers of the console, by HTTP status. Many of 401 mean that tokens expire before the login is "
    "renewed, and many of 421 that a proxy sends another Host.",
    _CONSOLE,
    (Label("code", bound="HTTP status codes"),),
    dashboard=False,
)
CONSOLE_CERTIFICATE_EXPIRY = Metric(
    "tenure_console_certificate_expiry_timestamp_seconds",
    MetricType.GAUGE,
    "Time at which the console's certificate expires. Absent if it serves plain HTTP.",
    _CONSOLE,
    dashboard=False,
)
CONSOLE_CERTIFICATE_RENEWAL = Metric(
    "tenure_console_certificate_renewal_timestamp_seconds",
    MetricType.GAUGE,
    "Time at which that certificate should be replaced, after two thirds of its lifetime.",
    _CONSOLE,
    dashboard=False,
)

CONSOLE_METRICS = tuple(value for value in vars().copy().values() if isinstance(value, Metric))
"""All of them, in the order of the reference page."""
