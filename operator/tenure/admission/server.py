"""The HTTPS listener to which the API server sends reviews.

It rejects unknown paths and malformed reviews, which Kopf's own server doesn't.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tenure.admission.callers import ANYBODY, Callers
from tenure.admission.fail_closed import Answer, judge_or_reject
from tenure.admission.intake import Intake
from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.admission.verdict import Judgement
from tenure.listening import PortCheck, listen, own_addresses
from tenure.observability.catalogue import ADMISSION, ADMISSION_DURATION
from tenure.observability.logs import log_fields, object_fields
from tenure.observability.metrics import Meter, Verdict

log = logging.getLogger("tenure.admission")

IDLE_SECONDS = 120.0
"""How long a connection may be idle or take to send its first headers. The API server closes idle ones after 90 s."""

_RETRY_SECONDS = 1

_API_VERSION = "admission.k8s.io/v1"


Judge = Callable[[str, AdmissionRequest], Awaitable[Judgement]]
"""Judges a request that arrived on a path."""


class Listener:
    """Serves reviews on one path for each kind. `kinds` maps a path to its kind."""

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        kinds: Mapping[str, str],
        judge: Judge,
        *,
        meter: Meter,
        callers: Callers = ANYBODY,
        on_no_answer: Callable[[], None] = lambda: None,
    ) -> None:
        self.address = address
        """Host and port to listen on. Once it listens, an address by which the process itself reaches it."""
        self._context = context
        self._kinds = kinds
        self._judge = judge
        self._meter = meter
        self._callers = callers
        self._intake = Intake()
        self._on_no_answer = on_no_answer

    @asynccontextmanager
    async def serving(self, stop: asyncio.Event) -> AsyncIterator[PortCheck]:
        """Listen until `stop` is set. The end of the block sets it too. The block gets the check of the port.

        Raises:
            StartRefusedError: the process can't listen on the port.
        """
        app = web.Application()
        app.router.add_post("/{path}", self._review)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=2.0, keepalive_timeout=IDLE_SECONDS
        )
        await runner.setup()
        try:
            port_check = await self._listen(runner)
        except BaseException:  # A cancelled start must close its sockets too.
            await runner.cleanup()
            raise
        closing = asyncio.create_task(_close(runner, stop), name="listener")
        try:
            yield port_check
        finally:
            stop.set()
            await closing

    async def _listen(self, runner: web.AppRunner) -> PortCheck:
        listening = listen(*self.address, "--webhook-host and --webhook-port", shared=True)
        await web.SockSite(runner, listening, ssl_context=self._context).start()
        self.address = own_addresses(listening)[0], listening.getsockname()[1]
        log.info("Listening for reviews on %s, port %d", *listening.getsockname()[:2])
        return PortCheck(listening, tls=True)

    async def _review(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if path not in self._kinds:
            raise web.HTTPNotFound(text=f"Unknown path /{path}\n")
        certificate = request.transport and request.transport.get_extra_info("peercert")
        if not self._callers.includes(certificate, request.headers):
            raise web.HTTPForbidden(text="Only the API server may send reviews, with its client certificate\n")
        async with self._intake.received(request) as asked:
            began = time.perf_counter()
            with log_fields(**_fields(self._kinds[path], asked)):
                answer = await judge_or_reject(self._judge(path, asked), asked, self._on_no_answer)
                self._record(path, asked, answer, time.perf_counter() - began)
        return web.json_response(_review_of(asked, answer.judgement))

    def _record(self, path: str, request: AdmissionRequest, answer: Answer, seconds: float) -> None:
        """Count and log a judgement. The object is never logged, because it may contain anything."""
        judgement, verdict = answer.judgement, _verdict(answer)
        kind, operation, dry_run = self._kinds[path], request.operation.value, str(request.dry_run).lower()
        self._meter.count(ADMISSION, kind, operation, verdict.value, dry_run)
        self._meter.observe(ADMISSION_DURATION, seconds, kind, operation)
        log.info(
            "%s",
            " ".join(_line(path, request, judgement).split()),
            extra={"verdict": verdict.value, "dry_run": request.dry_run, "duration_seconds": round(seconds, 6)},
        )


async def _close(runner: web.AppRunner, stop: asyncio.Event) -> None:
    """Close all connections once `stop` is set, because Kopf would wait for their tasks, which it doesn't know."""
    await stop.wait()
    await runner.cleanup()


def _fields(kind: str, request: AdmissionRequest) -> Mapping[str, Any]:
    """Return the fields that each log line about a request has."""
    metadata = _metadata(request)
    return {
        "request_id": request.uid,
        "operation": request.operation.value,
        "user": request.user_info.username,
        "object": {**object_fields(kind, request.namespace, metadata.get("name")), "uid": metadata.get("uid")},
        "generation": metadata.get("generation"),
    }


def _metadata(request: AdmissionRequest) -> Mapping[str, Any]:
    metadata = (request.object or request.old_object or {}).get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _verdict(answer: Answer) -> Verdict:
    if answer.failed:
        return Verdict.FAILED
    if answer.judgement.allowed:
        return Verdict.ALLOWED
    return Verdict.REFUSED if answer.judgement.refusals else Verdict.BUSY


def _line(path: str, request: AdmissionRequest, judgement: Judgement) -> str:
    name = f"{request.namespace}/{_metadata(request).get('name')}"
    dry_run = " (dry-run)" if request.dry_run else ""
    what = f"{request.operation} {path} {name} by {request.user_info.username}{dry_run}"
    return f"Allowed {what}" if judgement.allowed else f"Rejected {what}: {judgement.message}"


def _review_of(request: AdmissionRequest, judgement: Judgement) -> Mapping[str, Any]:
    """Return the AdmissionReview with the response: verdict, status, warnings and audit annotations."""
    # The API server's audit log doesn't have the uid of a review. With it you find the lines in the webhook's log.
    notes = {**judgement.audit, "request-id": request.uid}
    response: dict[str, Any] = {"uid": request.uid, "allowed": judgement.allowed, "auditAnnotations": notes}
    if judgement.warnings:
        response["warnings"] = list(judgement.warnings)
    if judgement.refusals:
        # A "no" is always 403, because tools react to other codes by deleting the object and creating it again.
        response["status"] = {"code": 403, "reason": "Forbidden", "message": judgement.message}
    elif judgement.busy:
        response["status"] = {
            "code": 429,
            "reason": "TooManyRequests",
            "message": judgement.message,
            "details": {"retryAfterSeconds": _RETRY_SECONDS},
        }
    return {"apiVersion": _API_VERSION, "kind": "AdmissionReview", "response": response}
