"""Why no key was ended, or not every key."""

from tenure.errors import TenureError


class RevocationError(TenureError):
    """Not every key is ended; the text says why, and what to do."""
