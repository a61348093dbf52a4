"""What can be wrong with what is compared."""

from tenure.errors import TenureError


class BadInputError(TenureError):
    """A tree can't be read; the text names the file and the field."""
