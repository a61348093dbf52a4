"""Starts, runs and stops a program: signals, the wait for the API server, and Kopf's runtime."""
