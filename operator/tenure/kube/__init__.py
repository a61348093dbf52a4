"""The way to the API server: connection, requests, and nothing that decides."""
