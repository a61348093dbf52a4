"""The metrics of `tenure mail`, as data. They are part of the catalogue."""

from tenure.observability.metrics import Component, Label, Metric, MetricType

_MAIL = (Component.MAIL,)
_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM

MAIL_LEADER = Metric(
    "tenure_mail_leader",
    _GAUGE,
    "Whether this replica sends letters: 1 if it does, 0 if it stands by.",
    _MAIL,
    dashboard=False,
)
ACCEPT_PAGE = Metric(
    "tenure_mail_page_answers_total",
    MetricType.COUNTER,
    "Number of answers to links of invitations: the page was `shown`, the form `accepted` or asked for `again`, the "
    "link was `dead`, there were too many requests (`busy`), or the API server didn't answer (`unavailable`).",
    _MAIL,
    (Label("answer", ("shown", "accepted", "again", "dead", "busy", "unavailable")),),
)

MAIL_METRICS = tuple(value for value in vars().copy().values() if isinstance(value, Metric))
"""All of them, in the order of the reference page."""
