"""What all programs need to start, run and stop: signals, the wait for the API server, and Kopf's runtime."""
