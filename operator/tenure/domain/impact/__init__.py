"""Computes the impact of a change to a tree of manifests, as pure functions."""
