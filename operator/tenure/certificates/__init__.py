"""Serving certificates: from an authority that all replicas of the webhook share, or from files that are reloaded."""
