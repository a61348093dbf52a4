"""The impact of a change to a tree of manifests: pure functions."""
