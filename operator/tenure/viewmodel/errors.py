"""The errors of the view model."""

from tenure.errors import TenureError


class ViewError(TenureError):
    """A page can't be made of what the caller asks for or may read. The text says why, and what to do."""


class UnknownObjectError(ViewError):
    """There is no object of that name."""


class HiddenError(ViewError):
    """The caller may not list what a page needs."""
