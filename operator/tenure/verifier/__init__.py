"""The verifier: an index of all keys that watches fill, the proof that the index is fresh, and the HTTP API."""
