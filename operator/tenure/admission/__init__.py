"""The validating admission webhooks: they read the evidence from the API server, decide by pure rules, and answer."""
