"""Observe, plan, apply: level-triggered reconciliation of the three kinds."""
