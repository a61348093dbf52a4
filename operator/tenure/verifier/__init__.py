"""The program that verifies tokens: an index fed by watches, the proof of its freshness, and the HTTP API."""
