"""Judging requests: what the judgement rests on is read from the API server, never from a cache."""
