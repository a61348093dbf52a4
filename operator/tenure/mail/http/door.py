"""Puts the accept page and the API behind one address, with or without a path before it."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tenure.mail.http.app import AcceptPage
from tenure.mail.http.pages import STYLE, headers
from tenure.mail.http.words import preferred

PAGES = "/invitations"
"""The path of the pages, behind the path of --base-url."""

API = "/v1/"


def origin_of(base_url: str) -> str:
    """Return scheme and host of a URL, as browsers write them in `Origin`."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def door(page: AcceptPage, base_url: str, api: Sequence[Route] = ()) -> ASGIApp:
    """Return the application. It answers both to the path of `base_url` and without it.

    So it doesn't matter whether the ingress in front strips the path.
    """

    async def style(_: Request) -> Response:
        return page.pages.style()

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette passes what it was registered for
        if request.url.path.removeprefix(prefix).startswith(API):
            return JSONResponse({"error": error.detail}, error.status_code, headers(secure=page.pages.secure))
        answer = page.pages.dead(preferred(request.headers.getlist("accept-language")))
        answer.status_code = error.status_code
        return answer

    routes = [
        Route(f"{PAGES}/{STYLE}", style),
        Route(f"{PAGES}/{{token}}", page.show),
        Route(f"{PAGES}/{{token}}", page.accept, methods=["POST"]),
        *api,
    ]
    prefix = urlsplit(base_url).path.rstrip("/")
    application = Starlette(routes=routes, exception_handlers={HTTPException: refuse})
    application.router.redirect_slashes = False

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            below = prefix and scope["path"].startswith(f"{prefix}/")
            await application({**scope, "root_path": prefix} if below else scope, receive, send)

    return answer
