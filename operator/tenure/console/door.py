"""Lets in only requests for the console's own address: its Host, its path, and where a browser sends them from."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

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


@dataclass(frozen=True)
class Address:
    """Where browsers find the console.

    Attributes:
        hosts: The values of `Host`, in lower case.
        prefix: The path before all pages, without a slash at its end. Empty if there is none.
        hint: What the answer to another path says.
        scheme: The scheme that browsers use, `http` or `https`.
        linked: Whether a link of another website opens a page, as that of a login does. It never sends a form.
    """

    hosts: Sequence[str]
    prefix: str
    hint: str
    scheme: str = "http"
    linked: bool = False

    @classmethod
    def of_url(cls, url: str) -> Self:
        """Return the address of a console whose URL everybody may know, because a login is in front of it."""
        parts = urlsplit(url)
        hint = f"The console is at {url}/"
        return cls([parts.netloc.lower()], parts.path.rstrip("/"), hint, parts.scheme.lower(), linked=True)

    def lets_in(self, scope: Scope, headers: Headers) -> bool:
        """Return whether the page that a request comes from may open this one, as far as the browser says."""
        if headers.get("sec-fetch-site") in _FROM_HERE:
            return True
        opened = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
        return self.linked and opened and scope["method"] in {"GET", "HEAD"}


def door(application: ASGIApp, address: Address) -> ASGIApp:
    """Return the application at an address.

    Another website that points its own name to the console sends its name as Host. And other ports of this machine are
    the same site, but another origin.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        inner = _enter(scope, address)
        if isinstance(inner, Response):
            await inner(scope, receive, send_with_headers)
        else:
            await application(inner, receive, send_with_headers)

    return answer


def _enter(scope: Scope, address: Address) -> Scope | Response:
    """Return the scope below the prefix, or the answer to those who don't come in."""
    headers, prefix = Headers(scope=scope), address.prefix
    if [host.lower() for host in headers.getlist("host")] not in [[host] for host in address.hosts]:
        return PlainTextResponse("The console isn't served under this name.\n", _MISDIRECTED)
    path: str = scope["path"]
    given, rest = path[: len(prefix)], path[len(prefix) :]
    if not hmac.compare_digest(given.encode(), prefix.encode()) or rest[:1] not in {"", "/", "."}:
        return PlainTextResponse(f"{address.hint}\n", _NOT_FOUND)
    if not address.lets_in(scope, headers):
        return PlainTextResponse("Another website sent you here. Open the console by its own address.\n", _FORBIDDEN)
    if not rest:
        return RedirectResponse(f"{prefix}/", _SEE_OTHER)
    wants_json = rest.endswith(JSON_SUFFIX)
    if wants_json:
        rest = rest.removesuffix(JSON_SUFFIX).rstrip("/") + "/"
    inner = {"scheme": address.scheme, "path": rest, "raw_path": quote(rest).encode(), WANTS_JSON: wants_json}
    return {**scope, **inner}
