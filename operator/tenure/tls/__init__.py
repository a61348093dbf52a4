"""Certificates for the webhook listener: an authority shared by all replicas, or files that somebody else renews."""
