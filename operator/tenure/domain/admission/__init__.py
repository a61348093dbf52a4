"""Decides about a change before it is stored: which keys it revokes, and whether it is allowed."""
