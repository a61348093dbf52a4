"""Reads requests to the page and the API strictly."""

from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from tenure.listening import plain_address

MAX_BODY_BYTES = 4096
"""Maximum size of a body. The page's form has about 100 bytes."""

_TOO_LARGE, _INCOMPLETE = 413, 400
_SAME_ORIGIN = "same-origin"


def source_of(request: Request) -> str:
    """Return the address of the client, or of the proxy in front of it. A header that names another isn't believed."""
    return plain_address(request.client.host) if request.client is not None else "unknown"


def is_from_page(request: Request, origin: str) -> bool:
    """Return whether a form was sent by a page of this origin, as far as the browser says.

    Browsers send `Sec-Fetch-Site` over HTTPS and on the machine itself, and an `Origin` with every form.
    """
    site, sender = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == _SAME_ORIGIN
    return sender is None or sender == origin


async def read_form(request: Request) -> str:
    """Return the field `form` of a form, or an empty text if it isn't there exactly once.

    Raises:
        HTTPException: the body is too large or incomplete.
    """
    body = await read_body(request)
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=4)
    except ValueError:
        return ""
    values = fields.get("form", [])
    return values[0] if len(values) == 1 else ""


async def read_body(request: Request) -> bytes:
    """Return the body.

    Raises:
        HTTPException: it is too large or incomplete.
    """
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY_BYTES:
                raise HTTPException(_TOO_LARGE, f"The body must be at most {MAX_BODY_BYTES} bytes")
    except ClientDisconnect:
        raise HTTPException(_INCOMPLETE, "The request ended before its body was complete") from None
    return body
