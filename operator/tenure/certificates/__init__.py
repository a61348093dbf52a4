"""Certificates for the webhook server: an authority that all replicas share, or files that are renewed in place."""
