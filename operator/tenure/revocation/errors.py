"""The errors of `tenure revoke`."""

from tenure.errors import TenureError


class RevocationError(TenureError):
    """Not every key was revoked. The text says why, and what to do."""
