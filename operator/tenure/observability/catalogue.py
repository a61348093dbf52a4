"""All metrics of Tenure as data. The processes measure them, and the reference page is generated from them."""

from collections.abc import Sequence

from tenure.domain.operations import Operation
from tenure.domain.reasons import STATES, ConditionType
from tenure.domain.resources import KINDS, ApiKey
from tenure.domain.roles import Role
from tenure.domain.usage.words import BUCKETS
from tenure.domain.verification import Code
from tenure.observability.console_catalogue import CONSOLE_METRICS
from tenure.observability.mail_catalogue import MAIL_METRICS
from tenure.observability.metrics import Component, End, Label, Metric, MetricType, Outcome, Queue, Verdict
from tenure.observability.process_catalogue import PROCESS_METRICS

UNRECONCILED = "Unreconciled"
"""The reason of a key that has no Ready condition yet."""

OTHER = "other"
"""The value under which the rest is counted, once a label has its maximum number of values."""

MOST_KEY_IDS = 100
"""Maximum number of dead keys that `tenure_dead_key_hits_total` counts one by one."""

MOST_NAMED_KEYS = 20
"""Maximum number of keys of an Organization that `tenure_key_expiry_timestamp_seconds` names."""

_CONTROLLER, _WEBHOOK, _VERIFIER = (Component.CONTROLLER,), (Component.WEBHOOK,), (Component.VERIFIER,)
_ALL = tuple(Component)
_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM

_RECONCILE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0)

_KIND = Label("kind", tuple(resource.kind for resource in KINDS))
_QUEUE = Label("queue", tuple(Queue))
_OPEN_ORGANIZATION = (
    # Not `namespace`, because Prometheus adds a label of that name for the pod's own namespace.
    Label("organization_namespace", bound="its namespace"),
    Label("organization", bound="its name"),
)
_ROLES = tuple(role.value for role in Role)
_READY_REASONS = tuple(
    state.reason.value for state in STATES if (state.kind, state.type) == (ApiKey.kind, ConditionType.READY)
)
KEY_REASONS: Sequence[str] = (*_READY_REASONS, UNRECONCILED)
"""The reasons by which ApiKeys are counted."""

LEADER = Metric(
    "tenure_leader", _GAUGE, "Whether this replica is the leader: 1 if it is, 0 if it stands by.", _CONTROLLER
)
KEYS = Metric(
    "tenure_keys",
    _GAUGE,
    "Number of ApiKeys by the reason of their Ready condition.",
    _CONTROLLER,
    (Label("reason", KEY_REASONS),),
)
KEYS_ISSUED = Metric("tenure_keys_issued_total", _COUNTER, "Number of issued tokens.", _CONTROLLER)
KEYS_ROTATED = Metric("tenure_keys_rotated_total", _COUNTER, "Number of rotations.", _CONTROLLER)
FORMER_TOKENS = Metric(
    "tenure_former_tokens", _GAUGE, "Number of keys whose former token is valid beside the present one.", _CONTROLLER
)
ROTATIONS_OVERDUE = Metric(
    "tenure_rotations_overdue",
    _GAUGE,
    "Number of working keys that should have been rotated more than 15 minutes ago (spec.rotation.every).",
    _CONTROLLER,
)
KEYS_ENDED = Metric(
    "tenure_keys_ended_total",
    _COUNTER,
    "Number of tokens that were revoked, rotated or expired. A token is counted when its Secret is deleted, or when it "
    "ends after a rotation.",
    _CONTROLLER,
    (Label("reason", tuple(End)),),
)
KEY_EXPIRY = Metric(
    "tenure_key_expiry_timestamp_seconds",
    _GAUGE,
    "Time at which a working key expires, for keys with a lifetime of at least 14 days: those that expire within 14 "
    "days, and the first one of each Organization.",
    _CONTROLLER,
    (*_OPEN_ORGANIZATION, Label("key", bound=f"names of ApiKeys, at most {MOST_NAMED_KEYS} for each Organization")),
)
ROLE_CHANGES = Metric(
    "tenure_role_changes_total",
    _COUNTER,
    "Number of role changes that were recorded in a Membership's status.",
    _CONTROLLER,
    (Label("from", _ROLES), Label("to", _ROLES)),
    distinct=True,
)
MEMBERSHIPS = Metric(
    "tenure_memberships",
    _GAUGE,
    "Number of Memberships by role.",
    _CONTROLLER,
    (Label("role", _ROLES),),
    dashboard=False,
)
ORGANIZATION_INFO = Metric(
    "tenure_organization_info",
    _GAUGE,
    "Always 1, for each Organization. `reason` is the reason of its Ready condition.",
    _CONTROLLER,
    (
        *_OPEN_ORGANIZATION,
        Label("reason", bound="one for each Organization"),
        Label("when_keys_exist", bound="one for each Organization"),
    ),
    dashboard=False,
)
ORGANIZATION_OWNERS = Metric(
    "tenure_organization_owners",
    _GAUGE,
    "Number of Owners of an Organization, as in its status.",
    _CONTROLLER,
    _OPEN_ORGANIZATION,
)
ORGANIZATION_KEYS = Metric(
    "tenure_organization_keys",
    _GAUGE,
    "Number of working keys of an Organization, as in its status.",
    _CONTROLLER,
    _OPEN_ORGANIZATION,
)
ORGANIZATION_KEYS_EXPIRING = Metric(
    "tenure_organization_keys_expiring",
    _GAUGE,
    "Number of working keys of an Organization that expire within 7 days, of keys with a lifetime of at least 14 days.",
    _CONTROLLER,
    _OPEN_ORGANIZATION,
)
ORGANIZATION_KEYS_UNUSED = Metric(
    "tenure_organization_keys_unused",
    _GAUGE,
    "Number of working keys of an Organization that haven't been used for 7, 30 or 90 days, or in the 7 days or more "
    "for which use is known. Each key is counted once. There is no series while use isn't known.",
    _CONTROLLER,
    (*_OPEN_ORGANIZATION, Label("unused_for", BUCKETS)),
)
USAGE_SILENT_VERIFIERS = Metric(
    "tenure_usage_silent_verifiers",
    _GAUGE,
    "Number of verifiers that didn't answer the controller's latest question about the use of keys. Above 0 for long, "
    "use isn't known, and no key is reported as unused.",
    _CONTROLLER,
)
RECONCILE_DURATION = Metric(
    "tenure_reconcile_duration_seconds",
    _HISTOGRAM,
    "Duration of reconciliations, by outcome.",
    _CONTROLLER,
    (_QUEUE, _KIND, Label("outcome", tuple(Outcome))),
    _RECONCILE_SECONDS,
)
QUEUE_DEPTH = Metric(
    "tenure_queue_depth",
    _GAUGE,
    "Number of objects that wait to be reconciled, by urgency: what ends a token or an access, other changes, and the "
    "first tokens of keys.",
    _CONTROLLER,
    (_QUEUE, Label("lane", ("ends", "changes", "issues"))),
)
QUEUE_OLDEST = Metric(
    "tenure_queue_oldest_seconds",
    _GAUGE,
    "Time that the oldest object in the queue has waited or been worked on. 0 means that the queue is empty.",
    _CONTROLLER,
    (_QUEUE,),
)
QUEUE_RETRYING = Metric(
    "tenure_queue_retrying",
    _GAUGE,
    "Number of objects whose latest reconciliation failed and is retried.",
    _CONTROLLER,
    (_QUEUE,),
)
LIST_TIMESTAMP = Metric(
    "tenure_list_timestamp_seconds", _GAUGE, "Time of the latest complete list of a kind.", _CONTROLLER, (_KIND,)
)
SWEEP_DURATION = Metric(
    "tenure_sweep_duration_seconds",
    _GAUGE,
    "Time in which the sweep reads the Secret of every key once: in the latest complete round, and as planned for the "
    "present one. It is half of --resync, or longer if --sweep-reads-per-second allows no more reads.",
    _CONTROLLER,
    (Label("round", ("latest", "present")),),
)
WATCH_NEWS_TIMESTAMP = Metric(
    "tenure_watch_news_timestamp_seconds",
    _GAUGE,
    "Time of the latest event from the watch of a kind. In a quiet cluster it can be long ago.",
    _CONTROLLER,
    (_KIND,),
    dashboard=False,
)
WATCH_LAG = Metric(
    "tenure_watch_lag_seconds",
    _GAUGE,
    "Time for which the watch of a kind has missed a change that a list, a read or a write has shown. 0 means none.",
    _CONTROLLER,
    (_KIND,),
)

ADMISSION = Metric(
    "tenure_admission_total",
    _COUNTER,
    "Number of requests that the webhook checked. `dry_run` is true for dry runs.",
    _WEBHOOK,
    (
        _KIND,
        Label("operation", tuple(Operation)),
        Label("verdict", tuple(Verdict)),
        Label("dry_run", ("false", "true")),
    ),
)
ADMISSION_DURATION = Metric(
    "tenure_admission_duration_seconds",
    _HISTOGRAM,
    "Duration of checks, including requests to the API server.",
    _WEBHOOK,
    (_KIND, Label("operation", tuple(Operation))),
    _ANSWER_SECONDS,
)
CERTIFICATE_EXPIRY = Metric(
    "tenure_webhook_certificate_expiry_timestamp_seconds",
    _GAUGE,
    "Time at which the webhook's certificate expires.",
    _WEBHOOK,
)
CERTIFICATE_RENEWAL = Metric(
    "tenure_webhook_certificate_renewal_timestamp_seconds",
    _GAUGE,
    "Time at which that certificate should be replaced, after two thirds of its lifetime.",
    _WEBHOOK,
)
REGISTRATION_ALTERED = Metric(
    "tenure_webhook_registration_altered",
    _GAUGE,
    "Whether someone rewrote or deleted Tenure's ValidatingWebhookConfiguration: 1 if they did, 0 if not. The API "
    "server may then store changes without a check.",
    _WEBHOOK,
)

VERIFY = Metric(
    "tenure_verify_total",
    _COUNTER,
    "Number of answers about tokens, by code.",
    _VERIFIER,
    (Label("code", tuple(Code)),),
)
VERIFY_UNAVAILABLE = Metric(
    "tenure_verify_unavailable_total",
    _COUNTER,
    "Number of requests that were answered with 503, because the verifier's data may be too old.",
    _VERIFIER,
)
VERIFY_DURATION = Metric(
    "tenure_verify_duration_seconds", _HISTOGRAM, "Duration of checks of tokens.", _VERIFIER, buckets=_ANSWER_SECONDS
)
DEAD_KEY_HITS = Metric(
    "tenure_dead_key_hits_total",
    _COUNTER,
    "Number of uses of revoked or expired tokens, by public id.",
    _VERIFIER,
    (Label("key_id", bound=f"the first {MOST_KEY_IDS}, then `{OTHER}`. The log has all of them"),),
)
VERIFIER_KEYS = Metric(
    "tenure_verifier_keys", _GAUGE, "Number of keys in the verifier's index.", _VERIFIER, dashboard=False
)
VERIFIER_PROOF = Metric(
    "tenure_verifier_proof_timestamp_seconds",
    _GAUGE,
    "Time up to which the verifier's data on a kind is complete. 0 means that it has none yet.",
    _VERIFIER,
    (_KIND,),
)
VERIFIER_CERTIFICATE_EXPIRY = Metric(
    "tenure_verifier_certificate_expiry_timestamp_seconds",
    _GAUGE,
    "Time at which the verifier's certificate expires. Absent if it serves plain HTTP.",
    _VERIFIER,
)
VERIFIER_CERTIFICATE_RENEWAL = Metric(
    "tenure_verifier_certificate_renewal_timestamp_seconds",
    _GAUGE,
    "Time at which that certificate should be replaced, after two thirds of its lifetime.",
    _VERIFIER,
)

METRICS: Sequence[Metric] = (
    *PROCESS_METRICS,
    *(value for value in vars().copy().values() if isinstance(value, Metric)),
    *MAIL_METRICS,
    *CONSOLE_METRICS,
)
"""All metrics, in the order of the reference page."""

METRICS_OF_ALL: Sequence[Metric] = tuple(metric for metric in METRICS if set(metric.components) == set(Component))
"""The metrics that every component has."""


def metrics_of(*components: Component) -> list[Metric]:
    """The metrics of any of these components."""
    return [metric for metric in METRICS if not set(metric.components).isdisjoint(components)]
