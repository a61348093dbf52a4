"""The HTTP API of the verifier."""
