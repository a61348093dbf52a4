"""Tenure's decisions as pure functions on values, without I/O, clock or randomness."""
