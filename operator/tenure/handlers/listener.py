"""The HTTPS listener that the API server sends reviews to; strict, where a stock one lets things through."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

import kopf
from aiohttp import web
from pydantic import ValidationError

from tenure.domain.admission.judgement import Judgement
from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.resources.base import GROUP, VERSION
from tenure.handlers.reviews import HEARING, Hearing, deny_unexpected

log = logging.getLogger("tenure.admission")

MAX_BODY_BYTES = 8 * 1024 * 1024
"""A review holds two versions of an object, and etcd takes objects of 1.5 MiB."""

RECEIVED_WITHIN_SECONDS = 4.0

IDLE_SECONDS = 120.0
"""How long a connection may lie idle, or take to send its first headers; the API server closes idle ones after 90."""

_RETRY_SECONDS = 1

_API_VERSION = "admission.k8s.io/v1"
_UNJUDGED = Judgement().refuse("the review reached no judge")
"""Kopf admits what no handler looked at."""


class Listener:
    """Serves reviews on one path a kind, and tells whether it is ready.

    Kopf calls it with the function that runs its handlers.
    """

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, paths: Collection[str], why_not_ready: Callable[[], str]
    ) -> None:
        self.address = (host, port)
        """Where it listens; once it does, with the port that was chosen."""
        self._context = context
        self._paths = frozenset(paths)
        self._why_not_ready = why_not_ready
        self._serve: kopf.WebhookFn | None = None
        self.started = asyncio.Event()

    async def __call__(self, fn: kopf.WebhookFn) -> AsyncIterator[kopf.WebhookClientConfig]:
        """Listen until cancelled."""
        self._serve = fn
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_post("/{path}", self._review)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=2.0, keepalive_timeout=IDLE_SECONDS
        )
        await runner.setup()
        try:
            host, port = self.address
            site = web.TCPSite(runner, host, port, ssl_context=self._context, reuse_port=True)
            await site.start()
            self.address = runner.addresses[0][:2]
            self.started.set()
            log.info("reviews are served on %s:%d", *self.address)
            yield {}
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        reason = self._why_not_ready()
        return web.Response(text=f"{reason or 'ok'}\n", status=503 if reason else 200)

    async def _review(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if path not in self._paths:
            raise web.HTTPNotFound(text=f"no reviews are served on /{path}\n")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="a review is application/json\n")
        hearing, begun = Hearing(_parse(await _receive(request))), time.perf_counter()
        answer = await self._answer(path, hearing)
        milliseconds = (time.perf_counter() - begun) * 1000
        log.debug("%s %s judged in %.1f ms", hearing.request.operation, path, milliseconds)
        return web.json_response(answer)

    async def _answer(self, path: str, hearing: Hearing) -> Mapping[str, Any]:
        if self._serve is None:
            raise web.HTTPServiceUnavailable(text="not ready\n")
        token = HEARING.set(hearing)
        try:
            await self._serve(_stub(path, hearing.request), webhook=path)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - logged with its traceback there
            hearing.judgement = deny_unexpected(hearing.request, error)
        finally:
            HEARING.reset(token)
        judgement = hearing.judgement or _UNJUDGED
        _log(path, hearing.request, judgement)
        return _review_of(hearing.request, judgement)


async def _receive(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(RECEIVED_WITHIN_SECONDS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the review didn't arrive in time\n") from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest(text="the review can't be decoded\n") from None


def _parse(body: bytes) -> AdmissionRequest:
    """The request of a review; anything else is a client's error."""
    try:
        return AdmissionRequest.model_validate(_request_of(json.loads(body)))
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
        raise web.HTTPBadRequest(text=f"a malformed review: request.{fields}\n") from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise web.HTTPBadRequest(text=f"a malformed review: {reason}\n") from None


def _request_of(review: object) -> object:
    if not isinstance(review, dict) or review.get("kind") != "AdmissionReview":
        raise ValueError("it is no AdmissionReview")
    if review.get("apiVersion") != _API_VERSION:
        raise ValueError(f"its apiVersion is not {_API_VERSION}")
    return review.get("request")


def _stub(path: str, request: AdmissionRequest) -> dict[str, Any]:
    """The review without its objects: Kopf would remember one state for each of them, for ever.

    Its resource is the path's, so that a handler is found; the handler sees whether the request's is another one.
    """
    return {
        "apiVersion": _API_VERSION,
        "kind": "AdmissionReview",
        "request": {
            "uid": request.uid,
            "operation": request.operation.value,
            "resource": {"group": GROUP, "version": VERSION, "resource": path},
            "userInfo": {"username": request.user_info.username},
            "dryRun": request.dry_run,
            "object": {},
            "oldObject": None,
        },
    }


def _log(path: str, request: AdmissionRequest, judgement: Judgement) -> None:
    if judgement.allowed:
        return
    metadata = (request.object or request.old_object or {}).get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    level = logging.DEBUG if request.dry_run else logging.INFO
    what = f"{request.operation} {path} {request.namespace}/{name} by {request.user_info.username}"
    log.log(level, "denied %s", " ".join(f"{what}: {judgement.message}".split()))


def _review_of(request: AdmissionRequest, judgement: Judgement) -> Mapping[str, Any]:
    """The answer, with all that the API server has a place for."""
    response: dict[str, Any] = {"uid": request.uid, "allowed": judgement.allowed}
    if judgement.warnings:
        response["warnings"] = list(judgement.warnings)
    if judgement.audit:
        response["auditAnnotations"] = dict(judgement.audit)
    if judgement.refusals:
        # 403 always: tools answer other codes by deleting the object and creating it again.
        response["status"] = {"code": 403, "reason": "Forbidden", "message": judgement.message}
    elif judgement.busy:
        response["status"] = {
            "code": 429,
            "reason": "TooManyRequests",
            "message": judgement.message,
            "details": {"retryAfterSeconds": _RETRY_SECONDS},
        }
    return {"apiVersion": _API_VERSION, "kind": "AdmissionReview", "response": response}
