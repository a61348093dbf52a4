"""Metrics, logs and health of all programs."""
