"""Reads what a request asks for."""

from starlette.requests import Request

from tenure.console.door import WANTS_JSON
from tenure.viewmodel.errors import ViewError

_MOST_DIGITS = 6


def wants_json(request: Request) -> bool:
    """Return whether a request is for JSON, by its path or because it accepts no HTML."""
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return bool(request.scope.get(WANTS_JSON)) or ("application/json" in accepted and "text/html" not in accepted)


def page_number(request: Request) -> int:
    """Return the number of the page of a list.

    Raises:
        ViewError: it isn't a number.
    """
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ViewError("the number of a page has digits only, for example ?page=2")
    return int(text)
