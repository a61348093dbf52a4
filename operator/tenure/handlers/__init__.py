"""Kopf: what the watches say goes to the controller, and nothing of Kopf's goes into the objects."""
