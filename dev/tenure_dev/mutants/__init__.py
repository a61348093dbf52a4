"""Planted faults: each guard is taken away by turns in a copy of the checkout, and a test must notice."""
