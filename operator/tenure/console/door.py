"""Lets in only the browser that has the address: by a secret in the path, the Host, and where a request is from."""

import hmac
from collections.abc import Sequence
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenure.process.http_pages import POLICY, page_headers

JSON_SUFFIX = ".json"
WANTS_JSON = "tenure.json"
"""The key of the scope that says that the path asked for JSON."""

_HEADERS = page_headers((*POLICY[:2], "img-src 'self'", *POLICY[2:]))
_FROM_HERE = {None, "none", "same-origin"}
_SEE_OTHER, _FORBIDDEN, _NOT_FOUND, _MISDIRECTED = 303, 403, 404, 421


def door(application: ASGIApp, secret: str, hosts: Sequence[str]) -> ASGIApp:
    """Return the application behind the path `/<secret>`, for requests to one of these hosts.

    Another website that points its own name to 127.0.0.1 sends its name as Host. And other ports of this machine are
    the same site, but another origin.
    """
    prefix = f"/{secret}"

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        inner = _enter(scope, prefix, hosts)
        if isinstance(inner, Response):
            await inner(scope, receive, send_with_headers)
        else:
            await application(inner, receive, send_with_headers)

    return answer


def _enter(scope: Scope, prefix: str, hosts: Sequence[str]) -> Scope | Response:
    """Return the scope below the secret, or the answer to those who don't come in."""
    headers = Headers(scope=scope)
    if [host.lower() for host in headers.getlist("host")] not in [[host] for host in hosts]:
        return PlainTextResponse("The console isn't served under this name.\n", _MISDIRECTED)
    path: str = scope["path"]
    given = path[: len(prefix)]
    if not hmac.compare_digest(given.encode(), prefix.encode()) or path[len(prefix) :][:1] not in {"", "/", "."}:
        return PlainTextResponse("Open the address that tenure console printed.\n", _NOT_FOUND)
    if headers.get("sec-fetch-site") not in _FROM_HERE:
        return PlainTextResponse("Another website sent you here. Open the console by its own address.\n", _FORBIDDEN)
    rest = path[len(prefix) :]
    if not rest:
        return RedirectResponse(f"{prefix}/", _SEE_OTHER)
    wants_json = rest.endswith(JSON_SUFFIX)
    if wants_json:
        rest = rest.removesuffix(JSON_SUFFIX).rstrip("/") + "/"
    return {**scope, "path": rest, "raw_path": quote(rest).encode(), WANTS_JSON: wants_json}
