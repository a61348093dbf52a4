"""Receives the bodies of reviews, and bounds what all of them together take of the memory.

Everybody who reaches the port can send reviews. Parsed JSON takes many times the memory of its text. So only few
reviews are received, parsed and judged at once, and only one large one.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from pydantic import ValidationError

from tenure.domain.admission.request import AdmissionRequest

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Maximum size of a review. It has two versions of an object, and etcd stores objects of up to 1.5 MiB."""

LARGE_BYTES = 128 * 1024
"""Reviews up to this size are ordinary ones. Tenure's own limits keep objects smaller."""

MAX_CONTAINERS = 200_000
BYTES_PER_CONTAINER = 8
"""Maximum number of objects and lists in a review, and minimum number of bytes for each. An empty one takes 3 bytes of
text and 64 bytes of memory. In a real review they have names, for example `"f:spec":{},`."""

RECEIVED_WITHIN_SECONDS = 4.0
"""Time limit for a review's turn to come and for its body to arrive."""

ORDINARY_AT_ONCE = 32
LARGE_AT_ONCE = 1

_API_VERSION = "admission.k8s.io/v1"


class Intake:
    """Gives reviews their turn, and parses them."""

    def __init__(self) -> None:
        self._ordinary = asyncio.Semaphore(ORDINARY_AT_ONCE)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    @asynccontextmanager
    async def received(self, request: web.Request) -> AsyncIterator[AdmissionRequest]:
        """Parse the request of a review. No other review gets its turn while the block runs.

        Anything that is no review is answered with HTTP 400, 408, 411, 413 or 415, and 503 if there are too many.
        """
        size = _size(request)
        turns = self._large if size > LARGE_BYTES else self._ordinary
        loop = asyncio.get_running_loop()
        until = loop.time() + RECEIVED_WITHIN_SECONDS
        try:
            async with asyncio.timeout_at(until):
                await turns.acquire()
        except TimeoutError:
            raise web.HTTPServiceUnavailable(text="Too many reviews at once\n") from None
        try:
            yield _parse(await _body(request, size, until))
        finally:
            turns.release()


def _size(request: web.Request) -> int:
    """Return the size of the body, which the sender has to say, as the API server does."""
    if request.content_type != "application/json" or request.headers.get("Content-Encoding"):
        raise web.HTTPUnsupportedMediaType(text="The Content-Type must be application/json, without an encoding\n")
    if request.content_length is None:
        raise web.HTTPLengthRequired(text="The Content-Length is missing\n")
    if request.content_length > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length)
    return request.content_length


async def _body(request: web.Request, size: int, until: float) -> bytes:
    # Not by request.read(), which would keep the body as long as the request.
    try:
        async with asyncio.timeout_at(until):
            return await request.content.readexactly(size)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The review didn't arrive in time\n") from None
    except (web.RequestPayloadError, asyncio.IncompleteReadError):
        raise web.HTTPBadRequest(text="The review is incomplete\n") from None


def _parse(body: bytes) -> AdmissionRequest:
    """Parse the request of a review. Anything else is answered with HTTP 400."""
    if body.count(b"{") + body.count(b"[") > min(MAX_CONTAINERS, len(body) // BYTES_PER_CONTAINER):
        raise web.HTTPBadRequest(text="Malformed review: it has too many objects and lists\n")
    try:
        return AdmissionRequest.model_validate(_request_of(json.loads(body)))
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
        raise web.HTTPBadRequest(text=f"Malformed review: request.{fields}\n") from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise web.HTTPBadRequest(text=f"Malformed review: {reason}\n") from None


def _request_of(review: object) -> object:
    if not isinstance(review, dict) or review.get("kind") != "AdmissionReview":
        raise ValueError("it isn't an AdmissionReview")
    if review.get("apiVersion") != _API_VERSION:
        raise ValueError(f"its apiVersion isn't {_API_VERSION}")
    return review.get("request")
