"""The decisions, as pure functions on values: no I/O, no clock, no randomness."""
