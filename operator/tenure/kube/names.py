"""Names of the objects that Tenure keeps for itself. A cluster has one of each."""

ELECTION_LEASE = "tenure-controller"
AUTHORITIES_SECRET = "tenure-webhook-ca"  # noqa: S105 - a name
WEBHOOK_CONFIGURATION = "tenure"
