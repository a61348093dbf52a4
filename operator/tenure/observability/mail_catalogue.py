"""The metrics of `tenure mail`, as data. They are part of the catalogue."""

from tenure.domain.letters.letter import LetterKind
from tenure.observability.metrics import Component, Label, Metric, MetricType

_MAIL = (Component.MAIL,)
_COUNTER, _GAUGE = MetricType.COUNTER, MetricType.GAUGE

MAIL_LEADER = Metric(
    "tenure_mail_leader",
    _GAUGE,
    "Whether this replica sends letters: 1 if it does, 0 if it stands by.",
    _MAIL,
    dashboard=False,
)
ACCEPT_PAGE = Metric(
    "tenure_mail_page_answers_total",
    _COUNTER,
    "Number of answers to links of invitations: the page was `shown`, the form `accepted` or asked for `again`, the "
    "link was `dead`, there were too many requests (`busy`), or the API server didn't answer (`unavailable`).",
    _MAIL,
    (Label("answer", ("shown", "accepted", "again", "dead", "busy", "unavailable")),),
)
LETTERS = Metric(
    "tenure_mail_letters_total",
    _COUNTER,
    "Number of attempts to send a letter, by what became of it. A letter that the mail server didn't take is `later`, "
    "and is tried again.",
    _MAIL,
    (Label("kind", tuple(LetterKind)), Label("outcome", ("sent", "rejected", "later", "unknown"))),
)
LETTERS_WAITING = Metric(
    "tenure_mail_waiting",
    _GAUGE,
    "Number of letters that are due and not sent yet: `ready` ones are next, and a limit holds `held` ones back.",
    _MAIL,
    (Label("state", ("ready", "held")),),
)
MAIL_OLDEST = Metric(
    "tenure_mail_oldest_seconds",
    _GAUGE,
    "Time for which there have been letters that no limit holds back. 0 means that there are none.",
    _MAIL,
)
MAIL_SERVER_TROUBLE = Metric(
    "tenure_mail_server_trouble_seconds",
    _GAUGE,
    "Time for which the mail server hasn't been usable. 0 means that it is, or that no letter was due.",
    _MAIL,
)
MAIL_CERTIFICATE_EXPIRY = Metric(
    "tenure_mail_certificate_expiry_timestamp_seconds",
    _GAUGE,
    "Time at which the accept page's certificate expires. Absent if it serves plain HTTP.",
    _MAIL,
)
MAIL_CERTIFICATE_RENEWAL = Metric(
    "tenure_mail_certificate_renewal_timestamp_seconds",
    _GAUGE,
    "Time at which that certificate should be replaced, after two thirds of its lifetime.",
    _MAIL,
)

MAIL_METRICS = tuple(value for value in vars().copy().values() if isinstance(value, Metric))
"""All of them, in the order of the reference page."""
