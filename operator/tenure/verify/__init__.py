"""Verifying tokens: an index that watches feed, proof of its freshness, and the decision."""
