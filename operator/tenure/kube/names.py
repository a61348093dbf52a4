"""Names of the objects that Tenure keeps for itself. A cluster has one of each."""

ELECTION_LEASE = "tenure-controller"
MAIL_LEASE = "tenure-mail"
MAIL_LEDGER = "tenure-mail"
MAIL_KEYS = "tenure-mail-keys"
AUTHORITIES_SECRET = "tenure-webhook-ca"  # noqa: S105 - a name
WEBHOOK_CONFIGURATION = "tenure"
