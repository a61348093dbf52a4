"""Names of the objects that Tenure keeps for itself: one each in a cluster."""

ELECTION_LEASE = "tenure-controller"
AUTHORITIES_SECRET = "tenure-webhook-ca"  # noqa: S105 - a name
WEBHOOK_CONFIGURATION = "tenure"
