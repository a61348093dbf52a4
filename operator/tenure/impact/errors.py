"""The errors of `tenure impact`."""

from tenure.errors import TenureError


class BadInputError(TenureError):
    """A tree of manifests can't be read. The text names the file and the field."""
