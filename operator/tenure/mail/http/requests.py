"""Reads requests to the page and the API strictly."""

from urllib.parse import parse_qs

from starlette.requests import Request

from tenure.listening import plain_address
from tenure.process.http_pages import read_body

MAX_BODY_BYTES = 4096
"""Maximum size of a body. The page's form has about 100 bytes."""


def source_of(request: Request) -> str:
    """Return the address of the client, or of the proxy in front of it. A header that names another isn't believed."""
    return plain_address(request.client.host) if request.client is not None else "unknown"


async def read_form(request: Request) -> str:
    """Return the field `form` of a form, or an empty text if it isn't there exactly once.

    Raises:
        HTTPException: the body is too large or incomplete.
    """
    body = await read_body(request, MAX_BODY_BYTES)
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=4)
    except ValueError:
        return ""
    values = fields.get("form", [])
    return values[0] if len(values) == 1 else ""
