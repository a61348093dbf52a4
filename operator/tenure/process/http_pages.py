"""The headers of pages that people read in a browser, and a strict reading of the forms that they send."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

_TOO_LARGE, _INCOMPLETE = 413, 400
_SAME_ORIGIN = "same-origin"

POLICY = ("default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'")
"""What a page may load and do: no script, its own style sheet, and forms to itself."""

_HEADERS = {
    # With `no-referrer`, browsers send a form with `Origin: null`.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex, nofollow",
    "cache-control": "no-store",
}


def page_headers(policy: Sequence[str] = POLICY) -> dict[str, str]:
    """Return the headers of every answer, with a content security policy."""
    return {"content-security-policy": "; ".join(policy), **_HEADERS}


def is_from_page(request: Request, origin: str) -> bool:
    """Return whether a form was sent by a page of this origin, as far as the browser says.

    Browsers send `Sec-Fetch-Site` over HTTPS and on the machine itself, and an `Origin` with every form.
    """
    site, sender = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == _SAME_ORIGIN
    return sender is None or sender == origin


async def read_body(request: Request, most: int) -> bytes:
    """Return the body.

    Raises:
        HTTPException: it has more bytes than `most`, or is incomplete.
    """
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise HTTPException(_TOO_LARGE, f"The body must be at most {most} bytes")
    except ClientDisconnect:
        raise HTTPException(_INCOMPLETE, "The request ended before its body was complete") from None
    return body
