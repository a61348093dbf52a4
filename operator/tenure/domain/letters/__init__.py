"""Decides which letters are due, and when each may be sent."""
